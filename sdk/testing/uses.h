#pragma once

#include "testing/driver.h"

#include <memory>
#include <string>

// Uses of a component, as checks of any kind make them.

namespace saffron::testing {

inline constexpr std::uint64_t kOtherData = 2;

[[nodiscard]] std::unique_ptr<Driver> fresh(const Subject& subject,
                                            const Subject::Setup& setup = {});
// The variant with the data that the subject's seed has under its number.
[[nodiscard]] Variant drawn(const Subject& subject, Variant variant = {});
[[nodiscard]] Observed use(const Subject& subject, Driver& driver, const Variant& variant = {});
[[nodiscard]] Observed use_fresh(const Subject& subject, const Variant& variant = {},
                                 const Subject::Setup& setup = {});

// The checks of one plain use. What one of these finds is what many others stumble over.
inline constexpr const char* kCanBeUsed = "can-be-used";
inline constexpr const char* kIgnoresGlobalRng = "ignores-global-rng";
inline constexpr const char* kInputNotMutated = "input-not-mutated";
inline constexpr const char* kDeterministicSameSeed = "deterministic-same-seed";
inline constexpr const char* kTwoInstancesIndependent = "two-instances-independent";
inline constexpr const char* kLeavesProcessAlone = "leaves-process-alone";

// What a use writes to that it was given, also when its instance is used once more; "" where nothing.
[[nodiscard]] std::string written_to(const Subject& subject);

// Whether a use draws from a global generator of the process, LibTorch's or C's, or seeds it.
struct GlobalDraws {
  bool torch = false, c = false;
  [[nodiscard]] bool any() const { return torch || c; }
};
[[nodiscard]] GlobalDraws global_draws(const Subject& subject);

// The check that finds why two uses of one component differ; "" where they agree.
[[nodiscard]] std::string why_irreproducible(const Subject& subject);
// Skips the check of a component that differs from itself: what compares its instances says nothing.
void need_reproducible(const Subject& subject);

// "see ID: FOUND", of what one check has found and another one says better.
struct Left {
  std::string to, found;  // an id, "" where nothing is left; found may be ""
};
[[nodiscard]] std::string see(const std::string& id, const std::string& found);
[[nodiscard]] Left left_by(const Verdict& verdict);

// The check that finds what is wrong with a plain use, of what `check` may have stumbled over;
// "" where there is none. `changed`: the check has left the process other than it was.
[[nodiscard]] std::string fault_of_use(const Check& check, const Subject& subject, bool changed);

// What of the results is computed in float32 although all inputs are float64; "" where nothing is
// seen to be. Nudged by some units of float32's last place, such a result moves in steps, which a
// difference of sixth order shows (More and Wild 2011, "Estimating computational noise").
[[nodiscard]] std::string float32_inside(const Subject& subject);

// Skips the check of a component that takes no float64, or computes in float32 inside: that is for
// `float64` to say.
void need_float64(const Subject& subject);

}  // namespace saffron::testing
