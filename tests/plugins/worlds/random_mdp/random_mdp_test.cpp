#include "plugins/worlds/random_mdp/random_mdp.h"

#include <saffron/testing/fake_context.h>
#include <saffron/value.h>

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <functional>

namespace saffron::plugins {
namespace {

using testing::FakeContext;

// Normal entries and nothing else.
RandomMdp::Options plain() {
  RandomMdp::Options out;
  out.sparse = out.scaled = out.shifted = out.shaped = 0;
  return out;
}

at::Tensor rewards(const RandomMdp::Options& options, std::uint64_t seed = 1) {
  return RandomMdp(options, FakeContext(seed)).rewards();
}

double largest(const at::Tensor& x) { return x.abs().max().item<double>(); }

TEST(RandomMdp, PublishedDefaults) {
  const RandomMdp world({}, FakeContext());
  EXPECT_EQ(world.info().description, "random MDP, 32 states, 4 actions, gamma 0.95");
  EXPECT_EQ(world.info().rewards, (std::vector<std::string>{"r0", "r1"}));
  EXPECT_EQ(largest(world.mu0() - 1.0 / 32), 0);
  EXPECT_EQ(largest(world.policy() - 1.0 / 4), 0);
  EXPECT_FALSE(world.terminal().any().item<bool>());
}

// P(N > 1) = 0.15866; of 10 x 4,096 draws the share is off by 0.0018 in the mean.
TEST(RandomMdp, TransitionsAboveTheThreshold) {
  double possible = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const at::Tensor tau = RandomMdp({}, FakeContext(seed)).transitions().dense;
    EXPECT_LT(largest(tau.sum(-1) - 1), 1e-12);
    EXPECT_GT(tau.min().item<double>(), 0);  // some 1e-9, not 0
    const at::Tensor some = tau > 1e-6;
    EXPECT_LT(tau.masked_fill(some, 0).max().item<double>(), 1e-8);
    possible += some.to(at::kDouble).mean().item<double>() / 10;
  }
  EXPECT_NEAR(possible, 0.15866, 0.006);
}

// Above the threshold, tau is proportional to exp(x): the ratio of two is that of their exponentials, so
// that log tau of those has the spread of N given N > 1, whose variance is 0.1991.
TEST(RandomMdp, TransitionsAreASoftmax) {
  RandomMdp::Options options;
  options.states = 100;
  options.threshold = 1;
  const at::Tensor tau = RandomMdp(options, FakeContext()).transitions().dense;
  const at::Tensor log = tau.log(), some = (tau > 1e-6).to(at::kDouble);
  const at::Tensor count = some.sum(-1, true), mean = (log * some).sum(-1, true) / count;
  const at::Tensor spread = ((log - mean) * some).square().sum(-1, true) / (count - 1);
  EXPECT_NEAR(spread.mean().item<double>(), 0.1991, 0.01);
}

// A reward's steps change it one after another, and leave the draws of its entries alone.
TEST(RandomMdp, StepsOfAReward) {
  const at::Tensor entries = rewards(plain());
  EXPECT_NEAR(entries.mean().item<double>(), 0, 0.05);
  EXPECT_NEAR(entries.var().item<double>(), 1, 0.05);

  RandomMdp::Options options = plain();
  options.sparse = 1;
  EXPECT_TRUE(rewards(options).equal(entries.masked_fill(entries <= 3, 0)));
  options.sparse_threshold = 0.5;
  EXPECT_TRUE(rewards(options).equal(entries.masked_fill(entries <= 0.5, 0)));

  options = plain();
  options.scaled = 1;
  const at::Tensor factor = rewards(options) / entries;
  for (std::int64_t i = 0; i < 2; ++i) {
    EXPECT_GT(factor[i].min().item<double>(), 0);
    EXPECT_LT(factor[i].max().item<double>(), 10);
    EXPECT_LT(factor[i].var().item<double>(), 1e-20);
  }
  EXPECT_GT(std::abs((factor[0] - factor[1]).mean().item<double>()), 1e-3);

  options = plain();
  options.shifted = 1;
  const at::Tensor shift = rewards(options) - entries;
  EXPECT_GT(shift.min().item<double>(), 0);
  EXPECT_LT(shift.max().item<double>(), 10);
  EXPECT_LT(shift[0].var().item<double>(), 1e-20);
}

TEST(RandomMdp, ShapedByAPotential) {
  RandomMdp::Options options = plain();
  options.shaped = 1;
  const at::Tensor change = (rewards(options) - rewards(plain()))[0];  // gamma Phi(s') - Phi(s)
  const at::Tensor phi = change.select(1, 0).diagonal() / (0.95 - 1);
  const at::Tensor expected = 0.95 * phi.view({1, 1, -1}) - phi.view({-1, 1, 1});
  EXPECT_LT(largest(change - expected), 1e-10);
  EXPECT_GT(phi.std().item<double>(), 0.1);
  EXPECT_LT(phi.std().item<double>(), 14);  // at most 10 N
  options.potential_scale = 0;              // the potential is its mean, at most 3
  options.potential_shift = 3;
  const at::Tensor level = (rewards(options) - rewards(plain())) / (0.95 - 1);
  EXPECT_LT(level[0].var().item<double>(), 1e-20);
  EXPECT_GT(level.min().item<double>(), 0);
  EXPECT_LT(level.max().item<double>(), 3);
}

// Of 1,000 rewards, a share within four standard deviations of the probability takes each step.
TEST(RandomMdp, HowOftenEachStepIsTaken) {
  RandomMdp::Options none = plain();
  none.states = 2;
  none.actions = 1;
  none.rewards = 1000;
  const at::Tensor entries = rewards(none);
  const auto share = [&](const std::function<void(RandomMdp::Options&)>& set) {
    RandomMdp::Options options = none;
    set(options);
    const at::Tensor changed = (rewards(options) != entries).reshape({1000, -1}).any(1);
    return changed.to(at::kDouble).mean().item<double>();
  };
  const RandomMdp::Options published;
  EXPECT_NEAR(share([&](auto& o) { o.sparse = published.sparse; }), 0.2, 0.05);
  EXPECT_NEAR(share([&](auto& o) { o.scaled = published.scaled; }), 0.7, 0.06);
  EXPECT_NEAR(share([&](auto& o) { o.shifted = published.shifted; }), 0.3, 0.06);
  EXPECT_NEAR(share([&](auto& o) { o.shaped = published.shaped; }), 0.5, 0.06);
}

TEST(RandomMdp, Interpolates) {
  RandomMdp::Options options;
  options.rewards = 4;
  const at::Tensor ends = rewards(options);
  options.interpolate = 16;
  const RandomMdp world(options, FakeContext());
  ASSERT_EQ(world.rewards().size(0), 34);  // twice 2 and 15 between
  EXPECT_EQ(world.info().rewards[0], "r0");
  EXPECT_EQ(world.info().rewards[4], "r0 to r1, 4/16");
  EXPECT_EQ(world.info().rewards[16], "r1");
  EXPECT_EQ(world.info().rewards[18], "r2 to r3, 1/16");
  EXPECT_EQ(world.info().rewards[33], "r3");
  const at::Tensor all = world.rewards();
  for (std::int64_t pair = 0; pair < 2; ++pair) {
    for (std::int64_t i = 0; i <= 16; ++i) {
      const double share = static_cast<double>(i) / 16;
      const at::Tensor expected = ends[2 * pair] * (1 - share) + ends[2 * pair + 1] * share;
      EXPECT_LT(largest(all[17 * pair + i] - expected), 1e-12 * largest(ends)) << i;
    }
  }
}

TEST(RandomMdp, TheSeedDecides) {
  EXPECT_TRUE(rewards({}, 3).equal(rewards({}, 3)));
  EXPECT_GT(largest(rewards({}, 3) - rewards({}, 4)), 0.1);
  RandomMdp::Options more;
  more.rewards = 6;
  EXPECT_TRUE(rewards(more, 3).narrow(0, 0, 2).equal(rewards({}, 3)));
}

TEST(RandomMdp, AFamilySharesEnvironmentsAndDrawsRewardsAnew) {
  RandomMdp::Options options;
  options.states = 8;
  options.environments = 3;
  options.draws = 2;
  const RandomMdp world(options, FakeContext());
  ASSERT_EQ(world.members(), 6);
  std::vector<std::unique_ptr<World>> members;
  for (std::int64_t i = 0; i < 6; ++i) members.push_back(world.member(i));
  const auto table = [&](std::int64_t i) -> const TabularWorld& {
    return dynamic_cast<const TabularWorld&>(*members[static_cast<std::size_t>(i)]);
  };
  EXPECT_TRUE(table(0).transitions().dense.equal(world.transitions().dense));
  EXPECT_TRUE(table(0).rewards().equal(world.rewards()));
  for (std::int64_t i = 0; i < 6; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      const bool shared = world.environment(i) == world.environment(j);
      EXPECT_EQ(shared, i / 2 == j / 2);
      EXPECT_EQ(table(i).transitions().dense.equal(table(j).transitions().dense), shared);
      EXPECT_FALSE(table(i).rewards().equal(table(j).rewards()));
    }
  }
  const auto again = world.member(4);
  EXPECT_TRUE(dynamic_cast<const TabularWorld&>(*again).rewards().equal(table(4).rewards()));
}

TEST(RandomMdp, Refusals) {
  const auto problems = [](const char* json) {
    Decoded decoded;
    RandomMdp::Options options;
    RandomMdp::schema().decode(from_json(json, "options"), &options, decoded);
    std::string out;
    for (const Problem& problem : decoded.problems) out += problem.message + ";";
    return out;
  };
  EXPECT_EQ(problems("{}"), "");
  EXPECT_EQ(problems(R"({"rewards": 3, "interpolate": 16})"),
            "interpolate goes by pairs, and there are 3 rewards;");
  EXPECT_EQ(problems(R"({"rewards": 3, "interpolate": 1})"), "");
  EXPECT_EQ(problems(R"({"states": 20000})"),
            "20000 states, 4 actions and 2 rewards would take more than 8 GiB;");
  EXPECT_NE(problems(R"({"gamma": 1})"), "");
}

}  // namespace
}  // namespace saffron::plugins
