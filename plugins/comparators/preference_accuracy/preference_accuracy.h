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

namespace saffron::plugins {

// How well each reward model predicts labels of responses, of which the higher is the better one: 1 for what was
// chosen and 0 for the rest, or any numbers. Pairs are those of a prompt's responses with different labels, the
// margin is the better one's score less the other's; means over prompts of means over their pairs, unless said:
//
//   accuracy         margin > 0, and 1/2 where it is 0
//   accuracy_strict  margin > 0: an exact tie is wrong, as in RewardBench
//   best_of_k        of the responses with the highest score, the share of those with the highest label
//                    (RewardBench 2: 1 / #max where the correct one is among them)
//   bt_nll           -log sigma(margin), the loss that such models are trained by, in nats
//   ece              over all pairs, in bins of sigma(|margin|): sum |correct - sum sigma(|margin|)| / pairs
//   tac              over all pairs, also of equal labels, Kendall's tau-b of label and score differences' signs
//
// ties: the score of RewardBench 2's Ties subset, of prompts called "ref:ID" and "tied:ID", labels 1 and 0.
class PreferenceAccuracy final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::int64_t bins = 10;
    bool ties = false;
    std::optional<std::string> slices;
    preferences::IntervalOptions intervals;
    preferences::RankingOptions ranking;
  };
  static Schema<Options> schema();

  PreferenceAccuracy(const Options& options, const Context& context)
      : options_(options), random_(context.random("bootstrap")) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;

 private:
  // All that the options name in the table, and labels.
  void require_names(const preferences::ScoreTable& table) const;
  void measure(const preferences::ScoreTable& table, const std::string& suffix,
               Comparison& out) const;

  Options options_;
  Random random_;
};

}  // namespace saffron::plugins
