#pragma once

#include <saffron/scorer.h>
#include <saffron/testing/checks.h>

#include <string>

// What a scorer says of SAEs that it cannot mistake for each other.

namespace saffron::testing {

// "metric 'l0' of toy"
[[nodiscard]] std::string title_of(const Metric& metric);

// What it reads; the check skipped where it refuses what it is tried with.
[[nodiscard]] ScorerNeeds needs_of(const Subject& subject, const Scorer& scorer);

Verdict saes_apart(const Subject& subject);
Verdict perfect_and_null_cases(const Subject& subject);

}  // namespace saffron::testing
