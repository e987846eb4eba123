#pragma once

#include "plugins/sources/synth_sae_bench/synth_sae_bench.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <gtest/gtest.h>
#include <saffron/testing/fake_context.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace saffron::plugins::synth {

// Small, with everything that the benchmark has and much of it: strong correlations, magnitudes
// that often are cut at 0, and parents whose children do and do not exclude each other.
inline Options small() {
  Options o;
  o.features = 60;
  o.width = 24;
  o.firing = {.exponent = 0.5, .maximum = 0.5, .minimum = 0.05};
  o.hierarchy = {.roots = 4, .branching = 3, .depth = 2, .exclusive = 0.6};  // 52 nodes, 16 parents
  o.correlation = {.rank = 3, .scale = 0.35};
  o.orthogonalization = {.steps = 10, .lr = 0.01};
  o.magnitude = {.first = 2, .last = 1.5, .deviation = 1, .deviation_spread = 0.5};
  o.block_rows = 256;
  return o;
}

// Coefficients of rows [0, rows), float64.
inline at::Tensor coefficients(const Options& options, std::int64_t rows, std::uint64_t seed = 1) {
  const Random model(static_cast<std::uint64_t>(options.model_seed));
  const RowSampler sampler(make_feature_model(options, model), Random(seed));
  return sampler.draw(0, rows).to_dense().to(at::kDouble);
}

inline FeatureModel model_of(const Options& options) {
  return make_feature_model(options, Random(static_cast<std::uint64_t>(options.model_seed)));
}

inline double density(double x) { return std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi); }

// Whether two estimates, or an estimate and its value, agree: `error` is the standard error of the
// difference.
inline void expect_within(double value, double expected, double error, double errors = 3) {
  EXPECT_LT(std::abs(value - expected), errors * error)
      << value << " instead of " << expected << ", standard error " << error;
}

// Many differences in units of their standard errors: none is beyond 4.5, and their mean square is
// 1 within 3 standard errors (of a chi-square; pass the number of independent ones).
inline void expect_standard(const std::vector<double>& z) {
  ASSERT_FALSE(z.empty());
  double squares = 0, largest = 0;
  for (const double x : z) {
    squares += x * x;
    largest = std::max(largest, std::abs(x));
  }
  const auto n = static_cast<double>(z.size());
  EXPECT_LT(largest, 4.5);
  expect_within(squares / n, 1, std::sqrt(2 / n));
}

}  // namespace saffron::plugins::synth
