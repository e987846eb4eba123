#include "plugins/comparators/epic/epic.h"
#include "plugins/comparators/val/val.h"
#include "plugins/worlds/tabular/tabular.h"
#include "tests/places.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <numbers>

// The numbers that recipes/compare_tabular.toml promises.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

TEST(Attack, OppositeRewardsThatEpicCallsTheSame) {
  const Tabular world({.path = {std::string(kSourceDir) + "/recipes/data/two_rewards.json"}});
  ASSERT_EQ(world.info().rewards,
            (std::vector<std::string>{"go_right", "stay_left", "go_right_shaped"}));
  const Comparison val = Val({}).compare(world), epic = Epic({}).compare(world);
  EXPECT_NEAR(between(metric(val, "VAL/2-2"), 0, 1), 2, 1e-10);
  EXPECT_NEAR(between(metric(val, "VAL/angle"), 0, 1), std::numbers::pi, 1e-10);
  EXPECT_NEAR(between(metric(epic, "EPIC/pearson-uniform"), 0, 1), 5.544639220888466e-4, 1e-10);
  EXPECT_NEAR(between(metric(epic, "EPIC/pearson-reachable"), 0, 1), 7.453446349594589e-4, 1e-10);
  for (const Comparison* comparison : {&val, &epic}) {
    for (const PairMatrix& matrix : comparison->metrics) {
      EXPECT_LT(between(matrix, 0, 2), 1e-9) << matrix.key;
    }
  }
}

}  // namespace
}  // namespace saffron::plugins
