#include "src/rewards/rows.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <limits>

// What rounding leaves of canonical rewards.

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kSureDigits = 3;
// Below this the products of a reward with probabilities lose digits to float64's smallest numbers.
constexpr double kFaint =
    std::numeric_limits<double>::min() / std::numeric_limits<double>::epsilon();

}  // namespace

Canonical settled(std::string name, at::Tensor values, at::Tensor size, at::Tensor noise) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(values.dim()), 1);
  rows[0] = -1;
  Canonical out;
  out.name = std::move(name);
  out.values = at::where((noise.isfinite() & (size <= noise)).view(rows), 0.0, values);
  out.scale = out.values.abs();
  out.size = std::move(size);
  out.noise = std::move(noise);
  return out;
}

std::vector<std::string> uncertain(const Canonical& form, const std::vector<std::string>& names) {
  if (!form.noise.defined()) return {};
  return uncertain_digits(form.name, form.size, form.noise, names);
}

std::vector<std::string> uncertain_digits(std::string_view form, const at::Tensor& size,
                                          const at::Tensor& noise,
                                          const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    const double ratio = (size[at] / noise[at]).item<double>();
    if (!(ratio > 1 && ratio < std::pow(10, kSureDigits))) continue;
    const auto digits = static_cast<int>(std::log10(ratio));
    out.push_back(cat("reward '", names[i], "' is nearly all potential shaping: of its ", form,
                      " form ",
                      digits == 0   ? "no digit is certain"
                      : digits == 1 ? "one digit is certain"
                                    : "two digits are certain"));
  }
  return out;
}

std::string open_optima(std::string_view reward, double lost) {
  return cat("rounding leaves open which policies are optimal for reward '", reward,
             "': those taken for optimal may lose ", std::min(lost, 1.0),
             " of its range, and regret is that uncertain; a smaller gamma, or the reward without "
             "its shaping, leaves less open");
}

bool faint(double largest) { return largest > 0 && largest < kFaint; }

}  // namespace saffron::inline sdk_v1::rewards
