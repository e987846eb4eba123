#pragma once

#include "options.h"

#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace saffron::plugins::synth {

// The constants of the generator but for the dictionary, one entry a feature where nothing else is
// said. The formulas are at SynthSaeBench.
struct FeatureModel {
  Hierarchy hierarchy;
  std::vector<double> base;             // p
  std::vector<double> probabilities;    // p after compensation, q
  std::vector<double> thresholds;       // t, within +-kAlways
  at::Tensor factor;                    // L, float64 [G, rank]
  std::vector<double> residual;         // s = sqrt(1 - |L_i|^2)
  std::vector<double> mean;             // mu
  std::vector<double> deviation;        // sigma
  std::vector<std::uint8_t> exclusive;  // whether the children of each parent exclude each other

  [[nodiscard]] std::int64_t features() const { return static_cast<std::int64_t>(mean.size()); }
};

// Phi(kAlways) is 1 in double precision, for all that a copula adds to it: stands for infinity.
inline constexpr double kAlways = 40;

[[nodiscard]] inline std::size_t at_index(std::int64_t i) { return static_cast<std::size_t>(i); }

[[nodiscard]] FeatureModel make_feature_model(const Options& options, Random random);

}  // namespace saffron::plugins::synth
