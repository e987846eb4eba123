#include <saffron/percentile_interval.h>

#include <ATen/ops/full.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

namespace saffron::inline sdk_v1 {
namespace {

constexpr double kUndefined = 0.05;  // share of resamples without a value

}  // namespace

Interval percentile_interval(const at::Tensor& x, double confidence) {
  const std::int64_t B = x.size(0);
  const at::Tensor sorted = std::get<0>(x.reshape({B, -1}).t().contiguous().sort(1));  // NaN last
  const std::int64_t cells = sorted.size(0);
  Interval out{at::full({cells}, std::numeric_limits<double>::quiet_NaN(), at::kDouble),
               at::full({cells}, std::numeric_limits<double>::quiet_NaN(), at::kDouble)};
  const auto* values = sorted.const_data_ptr<double>();
  for (std::int64_t cell = 0; cell < cells; ++cell) {
    const double* row = values + cell * B;
    const auto defined = std::find_if(row, row + B, [](double v) { return std::isnan(v); }) - row;
    if (defined == 0 || static_cast<double>(B - defined) > kUndefined * static_cast<double>(B)) {
      continue;
    }
    const auto percentile = [&](double share) {
      const double place = share * static_cast<double>(defined - 1);
      const auto below = static_cast<std::int64_t>(place);
      const double rest = place - static_cast<double>(below);
      return rest == 0 ? row[below] : row[below] + rest * (row[below + 1] - row[below]);
    };
    out.low.mutable_data_ptr<double>()[cell] = percentile((1 - confidence) / 2);
    out.high.mutable_data_ptr<double>()[cell] = percentile((1 + confidence) / 2);
  }
  const at::IntArrayRef shape = x.sizes().slice(1);
  return {out.low.view(shape), out.high.view(shape)};
}

}  // namespace saffron::inline sdk_v1
