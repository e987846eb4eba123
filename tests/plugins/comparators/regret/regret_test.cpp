#include "plugins/comparators/regret/regret.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_metrics.h>

// What optimising one reward loses of another.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

TEST(RegretGolden, BothDirectionsAndTies) {
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected").at("regret");
    const Comparison found = Regret({}).compare(golden_world(*vector));
    for (const char* key : {"regret1_pessimistic", "regret1_optimistic", "regret2_pessimistic",
                            "regret2_optimistic", "regret_mean_pessimistic"}) {
      EXPECT_NEAR(between(metric(found, key), 0, 1), expected.at(key).as_real(), 1e-10)
          << id << " " << key;
    }
    EXPECT_NEAR(between(metric(found, "regret1_pessimistic"), 1, 0),
                expected.at("regret2_pessimistic").as_real(), 1e-10);
    const auto& table = std::get<TableBlock>(found.report.blocks.at(0).body);
    for (const std::size_t i : {0u, 1u}) {
      const std::string J = i == 0 ? "J1_" : "J2_";
      EXPECT_NEAR(table.rows[i][1].as_real(), expected.at(J + "max").as_real(), 1e-9) << id;
      EXPECT_NEAR(table.rows[i][2].as_real(), expected.at(J + "min").as_real(), 1e-9) << id;
    }
  }
}

// The diagonal too: among the optimal policies of a reward none is worse for it.
TEST(RegretProperties, InTheirRangesAndZeroForOneself) {
  RandomWorlds random(62);
  for (int i = 0; i < 10; ++i) {
    const std::int64_t S = random.size(), A = random.size();
    const at::Tensor tau = random.transitions(S, A), R = random.normal({S, A, S});
    const double gamma = random.discount();
    const MemoryWorld world(
        tau, random.probabilities({S}), gamma,
        {{"R", R},
         {"same", 2 * (R + random.shaping(tau, gamma)) + random.redistribution(tau)},
         {"x", random.normal({S, A, S})},
         {"-R", -R}});
    const Comparison found = Regret({}).compare(world);
    for (const PairMatrix& matrix : found.metrics) {
      EXPECT_LT(largest(matrix.values.diagonal()), 1e-10) << matrix.key;
      EXPECT_LT(between(matrix, 0, 1), 1e-8) << matrix.key;
      EXPECT_NEAR(between(matrix, 0, 3), 1, 1e-10) << matrix.key;
      const Certificate& c = certificate(found, matrix.key);
      EXPECT_TRUE((matrix.values >= c.low).all().item<bool>());
      EXPECT_TRUE((matrix.values <= c.high).all().item<bool>());
      EXPECT_FALSE(c.sound || c.pseudometric);
      EXPECT_NE(c.caveat, "");
    }
  }
}

// The same optimal policy, and another order of the rest: regret is 0 and the worst case is not.
TEST(RegretProperties, SaysNothingOfOtherPolicies) {
  const at::Tensor tau = uniform({1, 3, 1});
  const at::Tensor R1 = at::zeros({1, 3, 1}, at::kDouble), R2 = at::zeros_like(R1);
  R1[0][0][0] = 2;
  R1[0][1][0] = 1.9;
  R2[0][0][0] = 2;
  R2[0][2][0] = 1.9;
  const MemoryWorld world(tau, uniform({1}), 0.5, {{"R1", R1}, {"R2", R2}});
  const Comparison found = Regret({}).compare(world);
  for (const PairMatrix& matrix : found.metrics) EXPECT_LT(between(matrix, 0, 1), 1e-12);
}

TEST(RegretOptions, OneTieAlone) {
  const Comparison found =
      Regret({.ties = {"optimistic"}}).compare(golden_world(golden_vector("G06")));
  EXPECT_EQ(found.metrics.size(), 3u);
  EXPECT_EQ(found.metrics[2].key, "regret_mean_optimistic");
  EXPECT_EQ(found.degenerate, std::vector<std::string>{cat("reward 'R1' ", rewards::kTrivial)});
}

}  // namespace
}  // namespace saffron::plugins
