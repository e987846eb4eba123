#pragma once

#include "testing/made.h"

#include <saffron/world.h>

// What the files of world checks share: world.cpp has what holds of every world, world_tables.cpp the tables
// that it holds, world_samples.cpp what holds of sampled and of preference worlds alone.

namespace saffron::testing {

// nullptr where it has it not.
template <class Capability>
[[nodiscard]] const Capability* capability(const World& world) {
  return dynamic_cast<const Capability*>(&world);
}

// Skips the check where it has it not.
template <class Capability>
[[nodiscard]] const Capability& needed(const World& world, const char* what) {
  const auto* found = capability<Capability>(world);
  if (found == nullptr) skip(cat(world.info().description, ": no ", what));
  return *found;
}

Verdict table_shapes(const Subject& subject);
Verdict float64_throughout(const Subject& subject);
Verdict csr_is_valid(const Subject& subject);
Verdict transitions_are_distributions(const Subject& subject);
Verdict distributions_sum_to_one(const Subject& subject);
Verdict rewards_are_finite(const Subject& subject);

Verdict evaluates_any_transition(const Subject& subject);
Verdict evaluation_batching_invariant(const Subject& subject);
Verdict unknown_transitions_refused(const Subject& subject);
Verdict episodes_follow_each_other(const Subject& subject);
Verdict prompts_are_sorted(const Subject& subject);
Verdict prompts_offer_a_choice(const Subject& subject);
Verdict reference_is_log_probability(const Subject& subject);
Verdict reference_sums_to_one_at_most(const Subject& subject);

}  // namespace saffron::testing
