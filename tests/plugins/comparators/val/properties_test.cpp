#include "plugins/comparators/val/val.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <cmath>
#include <numbers>

// What must hold in every MDP.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

constexpr int kWorlds = 30;

class ValProperties : public ::testing::Test {
 protected:
  // Rewards: 0 random, 1 the same in another guise, 2 negated, 3 and 4 random.
  MemoryWorld next() {
    const std::int64_t S = random_.size(), A = random_.size();
    const double gamma = random_.discount();
    const at::Tensor tau = random_.transitions(S, A), R = random_.normal({S, A, S});
    const at::Tensor same = 7.5 * (R + random_.shaping(tau, gamma) + random_.redistribution(tau));
    MemoryWorld world(tau, random_.probabilities({S}), gamma,
                      {{"R", R},
                       {"same", same},
                       {"negated", -R},
                       {"x", random_.normal({S, A, S})},
                       {"y", random_.normal({S, A, S})}});
    world.policy_ = random_.probabilities({S, A});
    return world;
  }

  RandomWorlds random_{11};
};

TEST_F(ValProperties, BlindToShapingRedistributionAndScale) {
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison comparison = Val({.pairs = {"all"}}).compare(next());
    for (const PairMatrix& matrix : comparison.metrics) {
      if (matrix.key.starts_with("VAL/0-")) {
        EXPECT_GT(between(matrix, 0, 1), 1e-3) << matrix.key;  // not blind to scale
      } else {
        EXPECT_LT(between(matrix, 0, 1), 1e-8) << matrix.key;
        EXPECT_GT(between(matrix, 0, 3), 1e-3) << matrix.key;
      }
    }
  }
}

TEST_F(ValProperties, Pseudometric) {
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison comparison = Val({.pairs = {"all"}}).compare(next());
    expect_pseudometrics(comparison);
    for (const PairMatrix& matrix : comparison.metrics) EXPECT_TRUE(matrix.reasons.empty());
  }
}

TEST_F(ValProperties, NegationIsFarthest) {
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison comparison = Val({.pairs = {"all"}}).compare(next());
    for (const char* norm : {"1", "2", "inf", "weighted_1", "weighted_2", "weighted_inf"}) {
      const std::string key = cat("VAL/", norm, "-", norm);
      EXPECT_NEAR(between(metric(comparison, key), 0, 2), 2, 1e-12);
      EXPECT_NEAR(certificate(comparison, key).high, 2, 1e-12);
    }
    EXPECT_NEAR(between(metric(comparison, "VAL/angle"), 0, 2), std::numbers::pi, 1e-12);
    for (const Certificate& c : comparison.certificates) {
      EXPECT_LE(largest(metric(comparison, c.metric).values), c.high * (1 + 1e-12)) << c.metric;
    }
  }
}

// c(R) is an advantage: its mean under the policy is 0 in every state; and c(c(R)) = c(R).
TEST_F(ValProperties, MeanZeroAndIdempotent) {
  for (int i = 0; i < kWorlds; ++i) {
    MemoryWorld world = next();
    const at::Tensor c = val_form(world, world.policy_).values;
    EXPECT_LT(largest((c.squeeze(-1) * world.policy_).sum(-1)), 1e-10);
    world.rewards_ = c.expand(world.rewards_.sizes()).contiguous();
    EXPECT_LT(largest(val_form(world, world.policy_).values - c), 1e-10);
  }
}

// For n = m = 2 the distance is a chord: d = 2 sin(angle / 2). Constant in s', plain and weighted
// norms differ by S^(1/p).
TEST_F(ValProperties, IdentitiesBetweenNorms) {
  for (int i = 0; i < kWorlds; ++i) {
    const MemoryWorld world = next();
    const double S = static_cast<double>(world.transitions_.states);
    const Comparison c = Val({.pairs = {"all"}}).compare(world);
    const auto d = [&](const char* key) { return between(metric(c, cat("VAL/", key)), 3, 4); };
    EXPECT_NEAR(d("2-2"), 2 * std::sin(d("angle") / 2), 1e-12);
    EXPECT_NEAR(d("weighted_2-weighted_2"), d("2-2"), 1e-12);
    EXPECT_NEAR(d("2-weighted_2") * std::sqrt(S), d("2-2"), 1e-12);
    EXPECT_NEAR(d("inf-1"), d("inf-weighted_1") * S, 1e-10);
  }
}

// Values on impossible transitions, however large, change nothing and hide nothing.
TEST_F(ValProperties, ImpossibleTransitionsDoNotCount) {
  for (int i = 0; i < kWorlds; ++i) {
    MemoryWorld world = next();
    const at::Tensor before = metric(Val({}).compare(world), "VAL/2-2").values;
    world.rewards_ = world.rewards_ + 1e14 * (world.transitions_.dense == 0);
    const Comparison after = Val({}).compare(world);
    EXPECT_LT(largest(metric(after, "VAL/2-2").values - before), 1e-12);
    EXPECT_TRUE(after.degenerate.empty());
  }
}

TEST_F(ValProperties, ScaleOfTheRewardsDoesNotOverflow) {
  MemoryWorld world = next();
  const at::Tensor before = metric(Val({}).compare(world), "VAL/2-2").values;
  for (const double scale : {1e-250, 1e200}) {
    MemoryWorld scaled = world;
    scaled.rewards_ = world.rewards_ * scale;
    EXPECT_LT(largest(metric(Val({}).compare(scaled), "VAL/2-2").values - before), 1e-12) << scale;
  }
  world.rewards_ = world.rewards_ * 1e308;
  EXPECT_THROW(
      {
        try {
          (void)Val({}).compare(world);
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), ErrorKind::numeric);
          throw;
        }
      },
      Error);
}

TEST(ValRefusals, WorldWithoutTransitions) {
  struct Plain final : World {
    const WorldInfo& info() const override { return info_; }
    WorldInfo info_{"preferences of three people", {"a"}};
  } const world;
  try {
    (void)Val({}).compare(world);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "val needs a tabular world, with P(s' | s, a), and this is: preferences of three "
              "people");
  }
}

TEST(ValRefusals, Options) {
  const auto problem = [](const char* pair) {
    Value config = Value::table(), list = Value::list();
    list.push(pair);
    config.set("pairs", list);
    Val::Options options;
    Decoded decoded;
    Val::schema().decode(config, &options, decoded);
    return decoded.problems.empty() ? std::string() : decoded.problems[0].message;
  };
  EXPECT_EQ(problem("weighted_1-inf"), "");
  EXPECT_NE(problem("3-2").find("'3-2' is not a distance: '3' is not a norm"), std::string::npos);
  EXPECT_NE(problem("pearson-uniform").find("the comparator epic offers correlations"),
            std::string::npos);
}

}  // namespace
}  // namespace saffron::plugins
