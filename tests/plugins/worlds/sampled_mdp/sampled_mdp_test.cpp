#include "tests/caught.h"
#include "tests/plugins/comparators/sampled/sampled_testing.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

#include <cmath>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

const SampledWorld& sampled(const std::shared_ptr<World>& world) {
  return dynamic_cast<const SampledWorld&>(*world);
}

// Shares of actions and successors within five standard errors of their probabilities.
TEST(SampledMdp, DrawsByPolicyAndTransitions) {
  RandomWorlds random(71);
  MemoryWorld world(random.transitions(3, 2), random.probabilities({3}), 0.9,
                    {{"R", random.normal({3, 2, 3})}});
  world.policy_ = random.probabilities({3, 2});
  const auto made = drawn(world, 4000, 3, 1);
  const SampledWorld& of = sampled(made);
  const std::int64_t N = of.states().size(0);
  at::Tensor count = at::zeros({3, 2, 3}, at::kDouble), first = at::zeros({3}, at::kDouble);
  for (std::int64_t i = 0; i < N; ++i) {
    const auto s = of.states()[i].item<std::int64_t>();
    count[s][of.actions()[i].item<std::int64_t>()][of.next_states()[i].item<std::int64_t>()] += 1;
    const bool starts = i == 0 || of.episodes()[i].item<std::int64_t>() !=
                                      of.episodes()[i - 1].item<std::int64_t>();
    if (starts) first[s] += 1;
    EXPECT_TRUE(starts || of.next_states()[i - 1].item<std::int64_t>() == s);
  }
  EXPECT_EQ(N, 12000);
  const auto near = [](const at::Tensor& found, const at::Tensor& total, const at::Tensor& p) {
    const at::Tensor error = (p * (1 - p) / total).sqrt();
    EXPECT_TRUE(((found / total - p).abs() <= 5 * error).all().item<bool>());
  };
  near(first, first.sum(), world.mu0_);
  near(count.sum(2), count.sum({1, 2}).unsqueeze(1), world.policy_);
  near(count, count.sum(2, true), world.transitions_.dense);
}

TEST(SampledMdp, EpisodesEndAtTerminalStatesAndRewardsAreTheTables) {
  RandomWorlds random(72);
  at::Tensor tau = random.transitions(4, 2);
  tau[2].zero_();
  const MemoryWorld world(tau, uniform({4}), 0.9, {{"R", random.normal({4, 2, 4})}});
  const auto made = drawn(world, 100, 50, 1);
  const SampledWorld& of = sampled(made);
  EXPECT_FALSE((of.states() == 2).any().item<bool>());
  EXPECT_TRUE(of.terminal().equal(of.next_states() == 2));
  const at::Tensor s = at::tensor({0, 2, 3}, at::kLong), a = at::tensor({1, 0, 1}, at::kLong);
  const at::Tensor r = of.evaluate(0, s, a, s);
  EXPECT_EQ(r[1].item<double>(), world.rewards_[0][2][0][2].item<double>());
  EXPECT_EQ(r[2].item<double>(), world.rewards_[0][3][1][3].item<double>());
}

TEST(SampledMdp, SeedsDecide) {
  RandomWorlds random(73);
  const MemoryWorld world(random.transitions(4, 2), uniform({4}), 0.9,
                          {{"R", random.normal({4, 2, 4})}});
  const auto a = drawn(world, 10, 10, 1), b = drawn(world, 10, 10, 1), c = drawn(world, 10, 10, 2);
  EXPECT_TRUE(sampled(a).states().equal(sampled(b).states()));
  EXPECT_FALSE(sampled(a).states().equal(sampled(c).states()));
}

TEST(SampledMdp, WhatIsRefused) {
  RandomWorlds random(74);
  const MemoryWorld world(random.transitions(2, 2), uniform({2}), 0.9,
                          {{"R", random.normal({2, 2, 2})}});
  const auto made = drawn(world, 2, 2, 1);
  const at::Tensor zero = at::zeros({1}, at::kLong);
  const Error far =
      test::caught([&] { static_cast<void>(sampled(made).evaluate(0, zero, zero + 5, zero)); });
  EXPECT_EQ(far.message(), "action 5 of a world that has 2");
  MemoryWorld over = world;
  over.transitions_.dense = at::zeros({2, 2, 2}, at::kDouble);
  const Error ends = test::caught([&] { static_cast<void>(drawn(over, 2, 2, 1)); });
  EXPECT_NE(ends.message().find("would end where it starts"), std::string::npos);
  const Error nothing = test::caught(
      [&] { SampledMdp({Ref<World>("w", toy_preference_world()), 2, 2}, FakeContext(1)); });
  EXPECT_EQ(nothing.kind(), ErrorKind::invalid);
}

}  // namespace
}  // namespace saffron::plugins
