#pragma once

#include "moments.h"
#include "preference_distance.h"

#include <saffron/comparator.h>
#include <saffron/preference_intervals.h>
#include <saffron/preference_metrics.h>

#include <optional>
#include <string>
#include <string_view>

namespace saffron::plugins {

// The distances of one table of scores, of all prompts or of a slice.
class Measurement {
 public:
  Measurement(const preferences::ScoreTable& table, const PreferenceDistance::Options& options,
              const Random& random);

  void add_distances();
  // The ranking, the models, and the prompts that carry a distance or cost most.
  void show_details();
  // `suffix` goes behind keys and titles. What is certified of all prompts is not said again of a slice.
  void move_to(Comparison& out, const std::string& suffix);

 private:
  [[nodiscard]] bool wants(std::string_view metric) const;
  void certify(Certificate certificate);
  void add_starc();
  void add_controlled(const Moments& moments, const at::Tensor& sums);
  void add_ranges();
  void add_worst_cases(const at::Tensor& ranges);
  void show_ranking(const std::string& reference);

  const preferences::ScoreTable& table_;
  const PreferenceDistance::Options& options_;
  preferences::CentredScores centred_;
  std::optional<preferences::CentredScores> plain_;  // where centred_ is not: ranges see no weights
  preferences::BanditReturns returns_;
  preferences::Resamples resamples_;
  preferences::WithIntervals found_;
  at::Tensor d_starc_;  // [1 + B, R, R]
  std::optional<preferences::BanditReturns::WorstCases> cases_;
  Comparison own_;  // certificates and the report
};

}  // namespace saffron::plugins
