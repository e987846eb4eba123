#include "testing/uses.h"

#include "testing/expect.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace saffron::testing {
namespace {

constexpr double kNudge = 1e-6;  // some units of float32's last place
constexpr std::array<double, 7> kSixth = {1, -6, 15, -20, 15, -6, 1};
const double kScale = std::sqrt(720.0 * 720.0 / 479001600.0);  // (6!)^2 / 12!: of noise, not of f
constexpr double kNoise = 1e-11;      // relative to the largest; float64 has 1e-15, float32 1e-8
constexpr double kManyOfMoved = 0.1;  // of the numbers that move; fewer have met a kink

// The first result that is noisy, of one direction of nudges.
std::string noisy_result(const Subject& subject, std::uint64_t direction) {
  std::vector<Observed> seen;
  for (std::size_t k = 0; k < kSixth.size(); ++k) {
    const Variant nudged{
        .dtype = at::kDouble, .nudge = static_cast<double>(k) * kNudge, .nudged = direction};
    seen.push_back(use_fresh(subject, nudged, {.dtype = at::kDouble}));
    if (seen.back().tensors.size() != seen.front().tensors.size()) return {};
  }
  for (std::size_t i = 0; i < seen.front().tensors.size(); ++i) {
    const auto& [name, first] = seen.front().tensors[i];
    if (name.starts_with(kOwnDtype)) continue;
    if (first.scalar_type() == at::kFloat) return name;
    if (first.scalar_type() != at::kDouble || first.numel() == 0 || !all_finite(first)) continue;
    at::Tensor sum = first * 0;
    bool alike = true;
    for (std::size_t k = 0; k < kSixth.size(); ++k) {
      const at::Tensor& value = seen[k].tensors[i].second;
      alike = alike && value.sizes() == first.sizes();
      if (alike) sum = sum + value * kSixth[k];
    }
    if (!alike) continue;
    const double largest = first.abs().max().item<double>();
    const auto moved = seen.back().tensors[i].second.ne(first).sum().item<std::int64_t>();
    const auto noisy = (sum.abs() * kScale).gt(kNoise * largest).sum().item<std::int64_t>();
    if (noisy > 0 && static_cast<double>(noisy) >= kManyOfMoved * static_cast<double>(moved)) {
      return name;
    }
  }
  return {};
}

}  // namespace

std::unique_ptr<Driver> fresh(const Subject& subject, const Subject::Setup& setup) {
  return driver_of(subject).drive(subject, setup);
}

Variant drawn(const Subject& subject, Variant variant) {
  variant.data = subject.nth(variant.data);
  return variant;
}

Observed use(const Subject& subject, Driver& driver, const Variant& variant) {
  Inputs inputs(drawn(subject, variant));
  return driver.use(inputs);
}

Observed use_fresh(const Subject& subject, const Variant& variant, const Subject::Setup& setup) {
  return use(subject, *fresh(subject, setup), variant);
}

void need_reproducible(const Subject& subject) {
  need_deterministic(subject);
  if (!difference(use_fresh(subject), use_fresh(subject)).empty()) {
    skip("see deterministic-same-seed");
  }
}

std::string float32_inside(const Subject& subject) {
  if (!driver_of(subject).powers.dtype || !subject.deterministic()) return {};
  const std::string found = noisy_result(subject, 1);
  // A kink within the nudges looks the same, but not in two directions.
  return found.empty() || noisy_result(subject, 2).empty() ? std::string() : found;
}

void need_float64(const Subject& subject) {
  if (!driver_of(subject).powers.dtype) return;
  try {
    static_cast<void>(use_fresh(subject, {.dtype = at::kDouble}, {.dtype = at::kDouble}));
  } catch (const Finding&) {
    throw;
  } catch (const std::exception&) {
    try {
      static_cast<void>(use_fresh(subject));
    } catch (const std::exception&) {
      return;  // it is not the dtype
    }
    skip("see float64");
  }
  if (!float32_inside(subject).empty()) skip("see float64");
}

}  // namespace saffron::testing
