#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

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

Settled::Settled(std::string name, at::Tensor values, at::Tensor largest, at::Tensor rounding)
    : size(std::move(largest)), noise(std::move(rounding)) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(values.dim()), 1);
  rows[0] = -1;
  canonical.name = std::move(name);
  canonical.values = at::where((noise.isfinite() & (size <= noise)).view(rows), 0.0, values);
  canonical.scale = canonical.values.abs();
}

std::vector<std::string> Settled::uncertain(const std::vector<std::string>& names) const {
  return uncertain_digits(canonical.name, size, noise, names);
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

Distances::Distances(Canonical canonical, std::vector<std::string> names, Cells cells,
                     at::Tensor reachable)
    : name_(canonical.name), names_(std::move(names)) {
  require_finite(canonical, names_);
  values_ = std::move(canonical.values);
  scale_ = std::move(canonical.scale);
  cells_ = std::move(cells);
  reachable_ = std::move(reachable);
}

std::vector<std::string> Distances::faint() const {
  const at::Tensor largest = values_.abs().amax(-1);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const double size = largest[static_cast<std::int64_t>(i)].item<double>();
    if (size > 0 && size < kFaint) out.push_back(names_[i]);
  }
  return out;
}

}  // namespace saffron::inline sdk_v1::rewards
