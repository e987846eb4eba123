#include "plugins/comparators/direct/direct.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <cmath>

// Distances of the rewards themselves.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

const std::vector<std::string> kAll = {"1-uniform",   "2-uniform",   "inf-uniform",
                                       "1-reachable", "2-reachable", "inf-reachable"};

// Unnormalised norms of the difference, which the golden vectors hold, divided by what is summed.
TEST(DirectGolden, MeansOfUnnormalisedNorms) {
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& norms = vector->at("expected").at("distances").at("None");
    const MemoryWorld world = golden_world(*vector);
    const auto S = static_cast<double>(world.transitions_.states);
    const auto A = static_cast<double>(world.transitions_.actions);
    const Comparison found = Direct({.distances = kAll}).compare(world);
    const auto near = [&](const char* key, double value) {
      EXPECT_NEAR(between(metric(found, cat("direct/", key)), 0, 1), value,
                  1e-10 * std::max(1.0, value))
          << id << " " << key;
    };
    near("1-uniform", norms.at("0-1").as_real() / (S * A * S));
    near("2-uniform", norms.at("0-2").as_real() / std::sqrt(S * A * S));
    near("inf-uniform", norms.at("0-inf").as_real());
    near("1-reachable", norms.at("0-weighted_1").as_real() / (S * A));
    near("2-reachable", norms.at("0-weighted_2").as_real() / std::sqrt(S * A));
  }
}

TEST(Direct, CoverageWeighs) {
  RandomWorlds random(63);
  MemoryWorld world(random.transitions(3, 2), uniform({3}), 0.9,
                    {{"a", random.normal({3, 2, 3})}, {"b", random.normal({3, 2, 3})}});
  world.D_S = random.probabilities({3});
  world.D_A = random.probabilities({2});
  world.D_S[1] = 0;
  world.D_S /= world.D_S.sum();
  const Comparison found = Direct({.distances = kAll}).compare(world);
  const at::Tensor weight =
      world.D_S.view({3, 1, 1}) * world.D_A.view({1, 2, 1}) * world.transitions_.dense;
  const at::Tensor difference = (world.rewards_[0] - world.rewards_[1]).abs();
  EXPECT_NEAR(between(metric(found, "direct/1-reachable"), 0, 1),
              (weight * difference).sum().item<double>(), 1e-12);
  EXPECT_NEAR(between(metric(found, "direct/inf-reachable"), 0, 1),
              (difference * (weight > 0)).max().item<double>(), 1e-12);
  EXPECT_LT(between(metric(found, "direct/inf-uniform"), 0, 1), largest(difference) + 1e-12);
}

TEST(Direct, PseudometricThatSeesAll) {
  RandomWorlds random(64);
  for (int i = 0; i < 10; ++i) {
    const std::int64_t S = random.size(), A = random.size();
    const at::Tensor tau = random.transitions(S, A), R = random.normal({S, A, S});
    const MemoryWorld world(tau, random.probabilities({S}), 0.9,
                            {{"R", R},
                             {"scaled", 2 * R},
                             {"shaped", R + random.shaping(tau, 0.9)},
                             {"redistributed", R + random.redistribution(tau)}});
    const Comparison found = Direct({.distances = kAll}).compare(world);
    for (const PairMatrix& matrix : found.metrics) {
      const at::Tensor& d = matrix.values;
      EXPECT_EQ(largest(d - d.t()), 0);
      EXPECT_EQ(largest(d.diagonal()), 0);
      EXPECT_TRUE(
          (d.unsqueeze(1) <= (d.unsqueeze(2) + d.unsqueeze(0)) * (1 + 1e-12)).all().item<bool>());
      for (const int other : {1, 2, 3}) EXPECT_GT(between(matrix, 0, other), 1e-3) << matrix.key;
      EXPECT_TRUE(certificate(found, matrix.key).invariant_to.empty());
    }
  }
}

TEST(Direct, EmptyCoverageAndOverflow) {
  MemoryWorld world = golden_world(golden_vector("G02"));
  const at::Tensor tau = world.transitions_.dense;
  world.transitions_.dense = at::zeros_like(tau);
  const Comparison found = Direct({.distances = kAll}).compare(world);
  EXPECT_TRUE(std::isnan(between(metric(found, "direct/2-reachable"), 0, 1)));
  EXPECT_EQ(metric(found, "direct/2-reachable").reasons.at(1),
            "no transition is covered: D_S x D_A x tau is 0 everywhere");
  EXPECT_FALSE(std::isnan(between(metric(found, "direct/2-uniform"), 0, 1)));
  world.transitions_.dense = tau;
  world.rewards_ = world.rewards_ * 1e308;
  EXPECT_THROW(static_cast<void>(Direct({.distances = {"1-uniform"}}).compare(world)), Error);
}

}  // namespace
}  // namespace saffron::plugins
