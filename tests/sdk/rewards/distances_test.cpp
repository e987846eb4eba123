#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_metrics.h>

#include <ATen/ops/stack.h>

#include <cmath>

// Distances between canonical rewards: by one pass a pair, by one product of all, and at the ends of
// float64.

namespace saffron::rewards {
namespace {

using namespace saffron::testing;

std::vector<Measure> all() {
  return parse_measures({"all", "pearson-uniform", "pearson-reachable"}, true);
}

std::vector<Measure> by_products() {
  return parse_measures({"2-2", "0-2", "inf-weighted_2", "weighted_2-weighted_2", "angle",
                         "weighted_angle", "pearson-uniform", "pearson-reachable"},
                        true);
}

// Rewards that are near each other, opposite, far apart, and 0.
MemoryWorld many(RandomWorlds& random, int count) {
  const std::int64_t S = 4, A = 3;
  std::vector<std::pair<std::string, at::Tensor>> named;
  const at::Tensor first = random.normal({S, A, S});
  for (int i = 0; i < count; ++i) {
    at::Tensor r = random.normal({S, A, S});
    if (i % 4 == 1) r = first + std::pow(10.0, -i) * r;
    if (i % 7 == 2) r = -3 * first + std::pow(10.0, -i) * r;
    if (i == 5) r = at::zeros_like(r);
    named.emplace_back(cat("R", i), i == 0 ? first : r);
  }
  return {random.transitions(S, A), uniform({S}), 0.9, named};
}

Distances distances_of(const MemoryWorld& world, const std::vector<Measure>& measures) {
  return {world, {"X", world.rewards_, world.rewards_.abs()}, world.info_.rewards, measures};
}

TEST(Distances, OneProductAgreesWithAPassAPair) {
  RandomWorlds random(71);
  const MemoryWorld world = many(random, 24);
  const Distances distances = distances_of(world, by_products());
  const std::vector<PairMatrix> found = distances.matrices();
  int undefined = 0;
  for (std::int64_t i = 0; i < 24; ++i) {
    for (std::int64_t j = 0; j < 24; ++j) {
      const std::vector<double> pair = distances.between(i, j);
      for (std::size_t m = 0; m < found.size(); ++m) {
        const double value = found[m].values[i][j].item<double>();
        ASSERT_EQ(std::isnan(value), std::isnan(pair[m]));
        undefined += std::isnan(value) ? 1 : 0;
        if (std::isnan(value)) continue;
        EXPECT_NEAR(value, pair[m], 1e-12 * std::max(1.0, pair[m])) << found[m].key;
      }
    }
  }
  EXPECT_EQ(undefined, 2 * (24 + 23));  // correlations with the reward that is 0
}

TEST(Distances, AreSymmetricAndZeroOnTheDiagonal) {
  RandomWorlds random(72);
  const MemoryWorld world = many(random, 5);
  for (const PairMatrix& matrix : distances_of(world, all()).matrices()) {
    EXPECT_TRUE(matrix.values.equal(matrix.values.t())) << matrix.key;
    EXPECT_EQ(largest(matrix.values.diagonal()), 0) << matrix.key;
  }
}

// Normalised distances do not see the scale, wherever float64 holds the rewards.
TEST(Distances, AreTheSameAtEveryScale) {
  RandomWorlds random(73);
  MemoryWorld world = many(random, 3);
  const std::vector<double> once = distances_of(world, all()).between(0, 2);
  const at::Tensor rewards = world.rewards_;
  for (const double scale : {1e-300, 1e-150, 1e150, 1e300, 1e306, 3e306, 1e307}) {
    world.rewards_ = rewards * scale;
    const Distances distances = distances_of(world, all());
    const std::vector<double> found = distances.between(0, 2);
    EXPECT_TRUE(distances.trivial().empty()) << scale;
    for (std::size_t m = 0; m < found.size(); ++m) {
      if (!distances.measures()[m].scale_invariant()) continue;
      EXPECT_NEAR(found[m], once[m], 1e-12 * std::max(1.0, once[m])) << scale << " " << m;
    }
  }
}

TEST(Distances, OverflowIsSaid) {
  RandomWorlds random(74);
  MemoryWorld world = many(random, 2);
  world.rewards_ = at::stack(
      {at::full_like(world.rewards_[0], 6e307), -at::full_like(world.rewards_[0], 6e307)});
  const std::vector<PairMatrix> found =
      distances_of(world, parse_measures({"0-1", "0-inf", "1-1"}, false)).matrices();
  EXPECT_TRUE(std::isnan(found[0].values[0][1].item<double>()));
  EXPECT_EQ(found[0].reasons[1], "it overflows float64");
  EXPECT_EQ(found[0].reasons[0], "");
  EXPECT_EQ(found[1].values[0][1].item<double>(), 1.2e308);
  EXPECT_NEAR(found[2].values[0][1].item<double>(), 2, 1e-14);
}

TEST(Distances, StatesCarryTheirShares) {
  RandomWorlds random(76);
  MemoryWorld world = many(random, 3);
  world.rewards_[1].copy_(world.rewards_[0]);
  world.rewards_[1][2] += 1;  // standardising changes the other states too
  const Distances distances = distances_of(world, parse_measures({"2-2"}, false));
  for (const std::int64_t j : {1, 2}) {
    const at::Tensor a = world.rewards_[0] / world.rewards_[0].norm(),
                     b = world.rewards_[j] / world.rewards_[j].norm();
    const at::Tensor squares = (a - b).square().sum({1, 2});
    EXPECT_LT(largest(distances.state_shares(0, j) - squares / squares.sum()), 1e-13);
  }
  EXPECT_EQ(distances.state_shares(0, 1).argmax().item<std::int64_t>(), 2);
  EXPECT_EQ(largest(distances.state_shares(1, 1)), 0);
}

// Of a reward of 0, and of one that is 0 wherever a seminorm looks.
TEST(Distances, WhatHasNoSizeCountsAsZero) {
  RandomWorlds random(75);
  MemoryWorld world = many(random, 3);
  at::Tensor tau = world.transitions_.dense;
  tau.select(2, 0).zero_();
  tau.div_(tau.sum(-1, true));
  const at::Tensor impossible = at::zeros_like(world.rewards_[0]);
  impossible.select(2, 0).fill_(1);
  world.rewards_[1].copy_(impossible);
  const Distances distances =
      distances_of(world, parse_measures({"weighted_1-weighted_1", "1-1"}, false));
  EXPECT_NEAR(distances.between(0, 1)[0], 1, 1e-14);
  EXPECT_GT(distances.between(0, 1)[1], 1);
  EXPECT_TRUE(distances.trivial().empty());
}

}  // namespace
}  // namespace saffron::rewards
