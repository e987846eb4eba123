#pragma once

#include <saffron/testing/checks.h>

#include <string>

// What one use of a component leaves to a later one, to another instance, or to its results.

namespace saffron::testing {

// Leaves what was found to the check that says it best, once that one has found it too; says it
// here otherwise. While one check asks another, that one leaves what it finds to a third unasked:
// where `from`, the one that asks, is given, that counts as found.
[[noreturn]] void leave_to(const Subject& subject, const char* id, const std::string& found,
                           const std::string& from = {});

// The check of a component that is not Stateful, and that its earlier uses change where `check` has
// found something; "" where they do not, or where that is what `check` looks at.
[[nodiscard]] std::string fault_of_next_use(const Check& check, const Subject& subject);

Verdict state_roundtrip(const Subject& subject);
Verdict used_again(const Subject& subject);
Verdict results_stay(const Subject& subject);
Verdict two_instances_independent(const Subject& subject);

}  // namespace saffron::testing
