#pragma once

#include "observations.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace saffron::plugins {

// Pearson's correlation, none where one of the two is constant; its standard error by the jackknife over
// environments, none where there are fewer than two.
struct Correlation {
  std::optional<double> rho, error;
};

// Rows of one environment follow each other.
[[nodiscard]] Correlation correlation(std::span<const double> x, std::span<const double> y,
                                      std::span<const std::int64_t> environments);

// How one distance d goes with regret, over the pairs where it is defined.
struct Statistics {
  std::string key;
  std::int64_t pairs = 0;
  Correlation regret, w;
  std::optional<double> rank_regret, rank_w;  // Spearman's
  // Of w12 / d where w12 is above kLeastRegret: the least and the largest, which may be infinite, and the
  // standard deviation as a share of the mean, none where one is infinite.
  std::optional<double> L, U, variation;
};

inline constexpr double kLeastRegret = 1e-5;

// In the order of the keys.
[[nodiscard]] std::vector<Statistics> statistics(const Observations& observations);

}  // namespace saffron::plugins
