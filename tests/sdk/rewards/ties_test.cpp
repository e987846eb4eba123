#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_planning.h>

#include <ATen/ops/zeros.h>

// Optimal policies that are one as good as the other stay so under what rounding does to them.

namespace saffron::rewards {
namespace {

using namespace saffron::testing;

// A first state from which either action leads to one of two copies of a random MDP. Reward b pays the
// same in both, and a does not.
MemoryWorld two_copies(RandomWorlds& random, double gamma, double potential) {
  constexpr std::int64_t n = 5, A = 2, S = 2 * n + 1;
  const at::Tensor inner = random.transitions(n, A);
  const at::Tensor tau = at::zeros({S, A, S}, at::kDouble);
  for (std::int64_t copy = 0; copy < 2; ++copy) {
    const std::int64_t first = 1 + copy * n;
    tau.slice(0, first, first + n).slice(2, first, first + n).copy_(inner);
    tau[0][copy].slice(0, first, first + n).fill_(1.0 / n);
  }
  const at::Tensor a = random.normal({S, A, S}), half = random.normal({n, A, n});
  const at::Tensor b = at::zeros_like(a);
  for (const std::int64_t first : {std::int64_t{1}, n + 1}) {
    b.slice(0, first, first + n).slice(2, first, first + n).copy_(half);
  }
  const at::Tensor phi = potential * random.normal({S});
  const at::Tensor shaped = b + gamma * phi.view({1, 1, S}) - phi.view({S, 1, 1});
  const at::Tensor mu0 = at::zeros({S}, at::kDouble);
  mu0[0] = 1;
  return {tau, mu0, gamma, {{"a", a}, {"b", b}, {"shaped", shaped}}};
}

TEST(PlanningTies, OutlastPotentials) {
  RandomWorlds random(61);
  for (const double potential : {1.0, 1e3, 1e5, 1e6}) {
    const MemoryWorld world = two_copies(random, 0.9, potential);
    const PolicyReturns returns(world, world.info_.rewards);
    const auto plain = returns.regret(0, 1), shaped = returns.regret(0, 2);
    EXPECT_GT(plain.pessimistic, plain.optimistic + 0.01) << potential;
    EXPECT_NEAR(shaped.pessimistic, plain.pessimistic, 1e-7) << potential;
    EXPECT_NEAR(shaped.optimistic, plain.optimistic, 1e-7) << potential;
  }
}

TEST(PlanningTies, OutlastLongHorizons) {
  for (const std::uint64_t seed : {62, 63, 64}) {
    std::optional<double> gap;
    for (const double gamma : {0.99, 0.9999, 0.99999, 0.999999}) {
      RandomWorlds random(seed);
      const MemoryWorld world = two_copies(random, gamma, 0);
      const auto regret = PolicyReturns(world, world.info_.rewards).regret(0, 1);
      if (!gap) gap = regret.pessimistic - regret.optimistic;
      EXPECT_GT(regret.pessimistic - regret.optimistic, *gap / 2) << gamma;
    }
  }
}

// What is better by more than rounding is no tie.
TEST(PlanningTies, AreNotMadeOfDifferences) {
  RandomWorlds random(65);
  MemoryWorld world = two_copies(random, 0.9, 1e5);
  world.rewards_.slice(0, 1).select(1, 0).select(1, 0).add_(1e-5);  // to the first copy rather
  const PolicyReturns returns(world, world.info_.rewards);
  for (const std::int64_t j : {1, 2}) {
    EXPECT_EQ(returns.regret(0, j).pessimistic, returns.regret(0, j).optimistic) << j;
  }
}

}  // namespace
}  // namespace saffron::rewards
