#pragma once

#include <saffron/preference_metrics.h>
#include <saffron/report.h>

#include <cstdint>

namespace saffron::plugins {

// The report of preference_distance: everything that is not a matrix.

// What is left of each model's scores without their prompts' offsets.
void add_models(const preferences::ScoreTable& table, const preferences::CentredScores& centred,
                const preferences::BanditReturns& returns, Report& out);
// w12 in words.
[[nodiscard]] Block words_block(const preferences::ScoreTable& table,
                                const preferences::BanditReturns::WorstCases& cases);
// Of each two models the `most` prompts with the largest share of d_starc^2.
[[nodiscard]] Block shares_block(const preferences::ScoreTable& table,
                                 const preferences::CentredScores& centred, std::int64_t most);
// Of each ordered pair the `most` prompts, with two responses, with the largest share of w12.
[[nodiscard]] Block losses_block(const preferences::ScoreTable& table,
                                 const preferences::BanditReturns& returns,
                                 const preferences::BanditReturns::WorstCases& cases,
                                 std::int64_t most);

}  // namespace saffron::plugins
