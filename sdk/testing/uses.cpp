#include "testing/uses.h"

#include "testing/checks/again.h"
#include "testing/expect.h"
#include "testing/noise.h"
#include "testing/other_memory.h"

#include <saffron/error.h>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/frexp.h>
#include <ATen/ops/maximum.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

namespace saffron::testing {
namespace {

constexpr double kNudge = 1e-6;                     // some units of float32's last place
constexpr double kWideNudge = 3e-5;                 // for a number that those have not moved
constexpr std::size_t kNudges = kSixth.size() + 2;  // three differences: one may be 0 by chance
constexpr double kNoise = 1e-11;      // relative to the result; float64 has 1e-15, float32 1e-8
constexpr double kManyOfMoved = 0.1;  // of the numbers that move; fewer have met a kink
// A result that is 0 but for rounding has the noise of what cancels in it.
constexpr double kLittleOfAll = 1e-4;  // of the largest result, and of 1

// What comes out at nudges of 0, step, 2 step, ... in one direction; empty where it is of several
// shapes.
std::vector<Observed> nudged(const Subject& subject, std::uint64_t direction, double step) {
  std::vector<Observed> out;
  for (std::size_t k = 0; k < kNudges; ++k) {
    const Variant by{
        .dtype = at::kDouble, .nudge = static_cast<double>(k) * step, .nudged = direction};
    out.push_back(use_fresh(subject, by, {.dtype = at::kDouble}));
    const auto& [now, first] = std::pair(out.back().tensors, out.front().tensors);
    if (now.size() != first.size()) return {};
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (now[i].second.sizes() != first[i].second.sizes()) return {};
    }
  }
  return out;
}

bool is_compared(const std::string& name, const at::Tensor& tensor) {
  return !name.starts_with(kOwnDtype) && tensor.scalar_type() == at::kDouble &&
         tensor.numel() > 0 && all_finite(tensor);
}

double largest_of(const Observed& seen) {
  double out = 1;
  for (const auto& [name, tensor] : seen.tensors) {
    if (is_compared(name, tensor)) out = std::max(out, tensor.abs().max().item<double>());
  }
  return out;
}

bool has_moved(const std::vector<Observed>& seen, std::size_t i) {
  return !seen.back().tensors[i].second.equal(seen.front().tensors[i].second);
}

// Whether result i goes in steps.
bool is_noisy(const std::vector<Observed>& seen, std::size_t i, double largest) {
  const at::Tensor first = seen.front().tensors[i].second;
  at::Tensor noise = first * 0;
  for (std::size_t from = 0; from + kSixth.size() <= seen.size(); ++from) {
    at::Tensor sum = first * 0;
    for (std::size_t k = 0; k < kSixth.size(); ++k) {
      sum = sum + seen[from + k].tensors[i].second * kSixth[k];
    }
    noise = at::maximum(noise, sum.abs() * kNoiseScale);
  }
  const double scale = std::max(first.abs().max().item<double>(), kLittleOfAll * largest);
  const auto moved = seen.back().tensors[i].second.ne(first).sum().item<std::int64_t>();
  const auto noisy = noise.gt(kNoise * scale).sum().item<std::int64_t>();
  return noisy > 0 && static_cast<double>(noisy) >= kManyOfMoved * static_cast<double>(moved);
}

// Whether numbers have as many digits as float32's and no more: what goes in steps by design (codes
// that are rounded) has fewer, or those of float64 after it.
bool has_digits_of_float32(const at::Tensor& numbers) {
  constexpr double kFewDigits = 1 << 20, kDigits = 1 << 24;
  const auto fits = [&](double digits) {
    const at::Tensor scaled = std::get<0>(at::frexp(numbers)) * digits;
    return scaled.eq(scaled.round()).all().item<bool>();
  };
  return fits(kDigits) && !fits(kFewDigits);
}

// The first result that is noisy, of one direction of nudges.
std::string noisy_result(const Subject& subject, std::uint64_t direction) {
  const std::vector<Observed> seen = nudged(subject, direction, kNudge);
  std::vector<Observed> wide;
  if (seen.empty()) return {};
  const auto driver = fresh(subject, {.dtype = at::kDouble});
  const PseudoGradients* pseudo = driver->pseudo();
  const bool by_design = pseudo != nullptr && !pseudo->pseudo_gradients().empty();
  const double largest = largest_of(seen.front());
  for (std::size_t i = 0; i < seen.front().tensors.size(); ++i) {
    const auto& [name, first] = seen.front().tensors[i];
    if (!name.starts_with(kOwnDtype) && first.scalar_type() == at::kFloat) return name;
    if (!is_compared(name, first)) continue;
    const bool still = first.numel() == 1 && !has_moved(seen, i);
    if (still && wide.empty()) wide = nudged(subject, direction, kWideNudge);
    if (still && wide.empty()) continue;
    if (!is_noisy(still ? wide : seen, i, largest)) continue;
    if (!by_design || has_digits_of_float32(first)) return name;
  }
  return {};
}

constexpr std::string_view kSee = "see ";

// Whether what it finds may be but a consequence of numbers that are wrong in every use.
bool compares_numbers(const Check& check) {
  constexpr std::array<std::string_view, 6> kOthers = {
      kIgnoresGlobalRng,           kInputNotMutated,    "no-grad-respected",
      "exception-does-not-escape", kLeavesProcessAlone, "no-thread-left"};
  return std::string_view(check.group) != "parameters" &&
         std::find(kOthers.begin(), kOthers.end(), check.id) == kOthers.end();
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

GlobalDraws global_draws(const Subject& subject) {
  const at::Generator& generator = at::globalContext().defaultGenerator(at::kCPU);
  std::srand(1);
  const int expected = std::rand();
  const at::Tensor before = generator.get_state();
  std::srand(1);
  static_cast<void>(use_fresh(subject));
  return {.torch = !identical(before, generator.get_state()), .c = std::rand() != expected};
}

std::string why_irreproducible(const Subject& subject) {
  const OtherMemory one(OtherMemory::Filled::positive);
  const Observed first = use_fresh(subject);
  const OtherMemory other(OtherMemory::Filled::negative);
  if (difference(first, use_fresh(subject)).empty()) return {};
  return global_draws(subject).any() ? kIgnoresGlobalRng : kDeterministicSameSeed;
}

void need_reproducible(const Subject& subject) {
  need_deterministic(subject);
  const std::string why = why_irreproducible(subject);
  if (!why.empty()) skip(cat("see ", why));
}

std::string written_to(const Subject& subject) {
  const auto changed = [&](const Variant& variant) {
    const auto driver = fresh(subject);
    Inputs inputs(drawn(subject, variant));
    static_cast<void>(driver->use(inputs));
    try {
      static_cast<void>(use(subject, *driver, {.data = kOtherData}));
    } catch (const std::exception&) {
      // Whether it can be used again is not the question here.
    }
    return inputs.changed();
  };
  const Powers powers = driver_of(subject).powers;
  std::string out = changed({});
  std::vector<Variant> others;
  if (powers.strided) others.push_back({.strided = true});
  if (powers.codes) {
    others.push_back({.layout = Codes::Layout::topk});
    others.push_back({.layout = Codes::Layout::csr});
  }
  for (std::size_t i = 0; out.empty() && i < others.size(); ++i) {
    try {
      out = changed(others[i]);
    } catch (const std::exception&) {
      // Nor whether it takes any layout.
    }
  }
  return out;
}

std::string see(const std::string& id, const std::string& found) {
  return cat(kSee, id, found.empty() ? "" : ": ", found);
}

Left left_by(const Verdict& verdict) {
  if (verdict.outcome != Outcome::skipped || !verdict.message.starts_with(kSee)) return {};
  const std::string rest = verdict.message.substr(kSee.size());
  const std::size_t colon = rest.find(": ");
  if (colon == std::string::npos) return {rest, {}};
  return {rest.substr(0, colon), rest.substr(colon + 2)};
}

std::string fault_of_use(const Check& check, const Subject& subject, bool changed) {
  const std::string_view id = check.id;
  if (comes_first(id)) return {};
  const c10::InferenceMode off(false);  // with gradients, whatever a use has left
  try {
    static_cast<void>(use_fresh(subject));
    if (!compares_numbers(check)) return {};
    if (changed) return kLeavesProcessAlone;
    if (global_draws(subject).any()) return kIgnoresGlobalRng;
    if (id == kDeterministicSameSeed) return {};
    if (!written_to(subject).empty()) return kInputNotMutated;
    if (!subject.deterministic()) return {};
    const std::string why = why_irreproducible(subject);
    return why.empty() ? fault_of_next_use(check, subject) : why;
  } catch (const Finding& finding) {
    // Skipped: it could not be tried.
    return finding.verdict.outcome == Outcome::failed ? kCanBeUsed : "";
  } catch (...) {
    return kCanBeUsed;
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
  if (float32_inside(subject).empty()) return;
  need_reproducible(subject);
  skip("see float64");
}

}  // namespace saffron::testing
