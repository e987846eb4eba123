#include "plugins/comparators/epic/epic.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <cmath>
#include <limits>

// What must hold in every MDP, and what must not.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

constexpr int kWorlds = 30;

class EpicProperties : public ::testing::Test {
 protected:
  // Rewards: 0 random, 1 shaped and scaled, 2 negated, 3 random, 4 redistributed over successors.
  MemoryWorld next() {
    const std::int64_t S = random_.size(), A = random_.size();
    const double gamma = random_.discount();
    const at::Tensor tau = random_.transitions(S, A), R = random_.normal({S, A, S});
    MemoryWorld world(tau, random_.probabilities({S}), gamma,
                      {{"R", R},
                       {"shaped", 0.2 * (R + random_.shaping(tau, gamma))},
                       {"negated", -R},
                       {"x", random_.normal({S, A, S})},
                       {"redistributed", R + random_.redistribution(tau)}});
    world.D_S = random_.probabilities({S});
    world.D_A = random_.probabilities({A});
    return world;
  }

  Comparison compare(const World& world) {
    return Epic({.pairs = {"all", "pearson-uniform", "pearson-reachable"}}).compare(world);
  }

  RandomWorlds random_{12};
};

TEST_F(EpicProperties, BlindToShapingAndScaleButNotToRedistribution) {
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison comparison = compare(next());
    for (const PairMatrix& matrix : comparison.metrics) {
      EXPECT_GT(between(matrix, 0, 4), 1e-3) << matrix.key;
      if (matrix.key.starts_with("EPIC/0-")) continue;
      EXPECT_LT(between(matrix, 0, 1), 1e-9) << matrix.key;
    }
  }
}

TEST_F(EpicProperties, Pseudometric) {
  for (int i = 0; i < kWorlds; ++i) {
    expect_pseudometrics(compare(next()));
  }
}

TEST_F(EpicProperties, NegationIsFarthest) {
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison comparison = compare(next());
    EXPECT_NEAR(between(metric(comparison, "EPIC/pearson-uniform"), 0, 2), 1, 1e-12);
    EXPECT_NEAR(between(metric(comparison, "EPIC/pearson-reachable"), 0, 2), 1, 1e-12);
    EXPECT_NEAR(between(metric(comparison, "EPIC/2-2"), 0, 2), 2, 1e-12);
    for (const Certificate& c : comparison.certificates) {
      EXPECT_LE(largest(metric(comparison, c.metric).values), c.high * (1 + 1e-12)) << c.metric;
      EXPECT_FALSE(c.sound || c.complete) << c.metric;
      EXPECT_NE(c.caveat, "") << c.metric;
    }
  }
}

// Canonically shaped: E[C(R)(s, A, S')] = 0 in every state, and C(C(R)) = C(R).
TEST_F(EpicProperties, MeanZeroAndIdempotent) {
  for (int i = 0; i < kWorlds; ++i) {
    MemoryWorld world = next();
    const at::Tensor c = epic_form(world).values;
    const at::Tensor mean = (c * world.D_A.unsqueeze(-1) * world.D_S).sum(at::IntArrayRef{-2, -1});
    EXPECT_LT(largest(mean), 1e-12);
    world.rewards_ = c;
    EXPECT_LT(largest(epic_form(world).values - c), 1e-12);
  }
}

// Canonical rewards have mean 0 under D_S x D_A x D_S: where these are uniform, D = d / 2 of 2-2.
TEST_F(EpicProperties, HalfOfTheNormalisedDistance) {
  for (int i = 0; i < kWorlds; ++i) {
    MemoryWorld world = next();
    world.D_S = uniform({world.transitions_.states});
    world.D_A = uniform({world.transitions_.actions});
    const Comparison comparison = compare(world);
    EXPECT_LT(largest(metric(comparison, "EPIC/pearson-uniform").values -
                      metric(comparison, "EPIC/2-2").values / 2),
              1e-12);
  }
}

TEST_F(EpicProperties, SaysWhichMeasuresReadTheTransitions) {
  const Comparison comparison = compare(next());
  const std::vector<std::string> none = {"D_S and D_A"}, tau = {"D_S and D_A", "transitions"};
  EXPECT_EQ(certificate(comparison, "EPIC/pearson-uniform").needs, none);
  EXPECT_EQ(certificate(comparison, "EPIC/2-inf").needs, none);
  EXPECT_EQ(certificate(comparison, "EPIC/pearson-reachable").needs, tau);
  EXPECT_EQ(certificate(comparison, "EPIC/weighted_1-2").needs, tau);
  // A norm that is 0 on impossible transitions bounds nothing there.
  EXPECT_EQ(certificate(comparison, "EPIC/weighted_1-2").high,
            std::numeric_limits<double>::infinity());
}

TEST_F(EpicProperties, EmptyCoverageIsUndefined) {
  MemoryWorld world = next();
  world.transitions_.dense = at::zeros_like(world.transitions_.dense);
  const Comparison comparison =
      Epic({.pairs = {"pearson-uniform", "pearson-reachable"}}).compare(world);
  EXPECT_TRUE(metric(comparison, "EPIC/pearson-uniform").reasons.empty());
  const PairMatrix& matrix = metric(comparison, "EPIC/pearson-reachable");
  EXPECT_TRUE(matrix.values.isnan().all().item<bool>());
  EXPECT_EQ(matrix.reasons.at(3), "no transition is covered: D_S x D_A x tau is 0 everywhere");
}

}  // namespace
}  // namespace saffron::plugins
