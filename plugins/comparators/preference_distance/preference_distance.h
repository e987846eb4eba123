#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/preference_intervals.h>
#include <saffron/preference_metrics.h>
#include <saffron/random.h>
#include <saffron/schema.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// Distances between reward models by their scores of responses to prompts, in the contextual bandit
// (saffron/preference_metrics.h), blind to an offset per prompt and to positive scaling:
//
//   d_starc  1/2 ||c1 / ||c1|| - c2 / ||c2|| ||, in [0, 1], c the scores less their prompt's mean (STARC:
//            Skalse et al. 2024); sqrt((1 - rho) / 2) with rho the correlation within prompts
//   2-2      2 d_starc;  angle  2 asin(d_starc)
//   span     range(R1 / range(R1) - R2 / range(R2)), range(R) = mean over prompts of max - min over responses
//   w12      the most that one may lose of reward 1, a share of its range, by going by reward 2; w21 the
//            other way round;  w12 <= span <= 2 w12 where neither is trivial
//
// d_starc/controlled is d_starc of what is left of c when columns of numbers, such as the response's length, are
// regressed out of it within prompts.
class PreferenceDistance final : public Comparator, public ChecksWorld {
 public:
  // Whether the observed responses are all that count, or a sample of what a policy writes.
  enum class Responses : std::uint8_t { all, sampled };
  struct Options {
    std::vector<std::string> metrics = {"d_starc", "span", "w12", "w21"};
    preferences::ResponseWeights weights = preferences::ResponseWeights::uniform;
    Responses responses = Responses::all;
    std::vector<std::string> control;
    std::optional<std::string> slices, closest_to;
    preferences::IntervalOptions intervals;
    preferences::RankingOptions ranking;
    std::int64_t prompts = 3;
  };
  static Schema<Options> schema();

  PreferenceDistance(const Options& options, const Context& context)
      : options_(options), random_(context.random("bootstrap")) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;

 private:
  // All that the options name in the table.
  void require_names(const preferences::ScoreTable& table) const;

  Options options_;
  Random random_;
};

}  // namespace saffron::plugins
