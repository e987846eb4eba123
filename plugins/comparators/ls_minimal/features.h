#pragma once

#include <saffron/random.h>
#include <saffron/reward_samples.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace saffron::plugins {

// Potentials Phi(s) = w . Psi(s), and what each feature's shaping adds to a reward on every transition
// of the data,
//
//   X = gamma Psi(s') - Psi(s)   [N, d],
//
// Psi(s') being 0 where the transition is terminal: episodes end with potential 0.
struct PotentialFeatures {
  at::Tensor shaping;  // X, float64
  std::string words;   // "512 random features, 3 coordinates, their squares and a constant"
  [[nodiscard]] std::int64_t count() const { return shaping.size(1); }
};

// Psi(s) = (1, z, z^2, tanh(2 z . w_k / sqrt(D) + b_k)) of the D coordinates z of a state, each divided
// by its standard deviation over the data after subtracting its mean; w_k standard normal, b_k uniform
// in [-2, 2], k = 1 to width. Error when X takes more than `memory` MiB.
[[nodiscard]] PotentialFeatures random_features(const rewards::SampledData& data,
                                                std::int64_t width, std::int64_t memory,
                                                const Random& random);
// One for each different state.
[[nodiscard]] PotentialFeatures one_hot_features(const rewards::SampledData& data,
                                                 std::int64_t memory);
// Whether states are numbers of things: one integer each.
[[nodiscard]] bool numbered_states(const rewards::SampledData& data);

}  // namespace saffron::plugins
