#include "rope.h"

#include <saffron/error.h>

#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>

namespace llama {
namespace {

// The piecewise rule of Llama 3.1 (transformers, modeling_rope_utils, _compute_llama3_parameters).
double llama3_frequency(double frequency, const RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < scaling.original_context / scaling.high) return frequency;
  if (wavelength > scaling.original_context / scaling.low) return frequency / scaling.factor;
  const double kept =
      (scaling.original_context / wavelength - scaling.low) / (scaling.high - scaling.low);
  return (1 - kept) * frequency / scaling.factor + kept * frequency;
}

}  // namespace

std::vector<float> inverse_frequencies(std::int64_t head_width, double theta,
                                       const RopeScaling& scaling) {
  const bool llama3 = scaling.type == "llama3";
  if (!llama3 && scaling.type != "default" && scaling.type != "linear") {
    throw saffron::Error(saffron::ErrorKind::data,
                         saffron::cat("RoPE scaling '", scaling.type, "' is not supported"))
        .with_help("supported are default, linear and llama3");
  }
  if (!(theta > 1) || !(scaling.factor > 0) ||
      (llama3 &&
       !(scaling.low > 0 && scaling.high > scaling.low && scaling.original_context > 0))) {
    throw saffron::Error(saffron::ErrorKind::data,
                         saffron::cat("RoPE parameters are out of range: theta ", theta,
                                      ", scaling '", scaling.type, "' by ", scaling.factor));
  }
  std::vector<float> result;
  for (std::int64_t i = 0; i < head_width / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(head_width);
    double frequency = std::pow(theta, -exponent);
    if (llama3) frequency = llama3_frequency(frequency, scaling);
    if (scaling.type == "linear") frequency /= scaling.factor;
    result.push_back(static_cast<float>(frequency));
  }
  return result;
}

RopeTable rope_table(const std::vector<float>& inverse_frequency, std::int64_t length,
                     at::ScalarType dtype, at::Device device) {
  const auto half = static_cast<std::int64_t>(inverse_frequency.size());
  RopeTable table{at::empty({length, half}, at::kDouble), at::empty({length, half}, at::kDouble)};
  double* cosine = table.cosine.mutable_data_ptr<double>();
  double* sine = table.sine.mutable_data_ptr<double>();
  for (std::int64_t t = 0; t < length; ++t) {
    for (std::int64_t i = 0; i < half; ++i) {
      // The angle is rounded to float32, as it was when these models were trained.
      const float angle = static_cast<float>(t) * inverse_frequency[static_cast<std::size_t>(i)];
      cosine[t * half + i] = std::cos(static_cast<double>(angle));
      sine[t * half + i] = std::sin(static_cast<double>(angle));
    }
  }
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  return {table.cosine.to(options), table.sine.to(options)};
}

}  // namespace llama
