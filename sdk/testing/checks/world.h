#pragma once

#include "testing/made.h"

#include <saffron/world.h>

// What the two files of world checks share: world.cpp what holds of every world and of each
// capability's functions, world_tables.cpp the tables that it holds.

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

}  // namespace saffron::testing
