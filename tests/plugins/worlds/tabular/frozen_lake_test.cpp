#include "plugins/worlds/tabular/tabular.h"
#include "tests/places.h"
#include "tests/plugins/worlds/planning.h"

#include <gtest/gtest.h>

// Gymnasium's FrozenLake-v1 (4x4), as docs/examples/export_gymnasium.py exports it.

namespace saffron::plugins {
namespace {

Tabular lake(const char* name) {
  return Tabular({.path = {std::string(kSourceDir) + "/tests/fixtures/worlds/" + name}});
}

TEST(FrozenLake, ValuesAreThoseOfItsOwnTables) {
  for (const char* name : {"frozen_lake.npz", "frozen_lake_sparse.npz"}) {
    const Tabular world = lake(name);
    EXPECT_EQ(world.transitions().states, 16);
    EXPECT_EQ(world.transitions().actions, 4);
    EXPECT_EQ(world.terminal().sum().item<std::int64_t>(), 5);  // four holes and the goal
    EXPECT_EQ(world.mu0()[0].item<double>(), 1);
    const std::int64_t goal = world.info().rewards[0] == "goal" ? 0 : 1;
    EXPECT_NEAR(testing::optimal_values(world, goal)[0], 0.542026, 5e-7) << name;
    EXPECT_LT(testing::optimal_values(world, 1 - goal)[0], 0.542) << name;  // holes cost 1
  }
}

}  // namespace
}  // namespace saffron::plugins
