#pragma once

#include <saffron/testing/checks.h>

// What one use of a component leaves to a later one, to another instance, or to its results.

namespace saffron::testing {

Verdict state_roundtrip(const Subject& subject);
Verdict used_again(const Subject& subject);
Verdict results_stay(const Subject& subject);
Verdict two_instances_independent(const Subject& subject);

}  // namespace saffron::testing
