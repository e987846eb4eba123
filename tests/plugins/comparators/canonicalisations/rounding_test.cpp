#include "plugins/comparators/epic/epic.h"
#include "plugins/comparators/erc/erc.h"
#include "plugins/comparators/minimal/minimal.h"
#include "plugins/comparators/none/none.h"
#include "plugins/comparators/regret/regret.h"
#include "plugins/comparators/span/span.h"
#include "plugins/comparators/val/val.h"
#include "plugins/comparators/val_potential/val_potential.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_planning.h>

#include <ATen/ops/index_fill.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

// Rewards of which shaping is nearly all or all, and those at the ends of float64's range.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

const std::vector<std::string> kEvery = {"all"};

std::vector<Comparison> starc(const World& world) {
  return {Val({.pairs = kEvery}).compare(world),
          Minimal({.pairs = kEvery, .weights = {"one"}}).compare(world),
          Minimal({.pairs = kEvery, .weights = {"tau"}}).compare(world)};
}

bool says(const std::vector<std::string>& sentences, const std::string& part) {
  return std::any_of(sentences.begin(), sentences.end(),
                     [&](const std::string& s) { return s.find(part) != s.npos; });
}

// A constant reward per step is shaping with a potential of c / (gamma - 1), 1e7 here, and taken off
// exactly: what is left of the two, of size 1e-4, is opposite.
TEST(Rounding, ASignalBehindALargeOffsetIsNotTrivial) {
  RandomWorlds random(31);
  struct Case {
    double gamma, offset, signal;
  };
  for (const Case& of :
       {Case{.9999, 1000, 1e-4}, Case{.99999, 100, 1e-4}, Case{.999, 1000, 1e-5}}) {
    const at::Tensor tau = random.transitions(5, 3), x = of.signal * random.normal({5, 3, 5});
    const MemoryWorld world(tau, uniform({5}), of.gamma,
                            {{"up", of.offset + x}, {"down", of.offset - x}});
    for (const Comparison& found : starc(world)) {
      EXPECT_EQ(found.degenerate, std::vector<std::string>()) << found.metrics[0].key;
      for (const PairMatrix& matrix : found.metrics) {
        if (matrix.key.ends_with("/2-2") || matrix.key.ends_with("/1-1")) {
          EXPECT_NEAR(between(matrix, 0, 1), 2, 1e-7) << matrix.key;
        }
      }
    }
  }
}

// Numbers from c to 2 c are told apart to the last digit, but not from what rounding made of them.
TEST(Rounding, OffsetsAreTakenOffExactly) {
  RandomWorlds random(37);
  const at::Tensor tau = random.transitions(4, 2);
  const at::Tensor x = random.normal({4, 2, 4}).mul(8).round(), y = random.normal({4, 2, 4});
  const at::Tensor nearly =
      .3 + 5e-17 * at::ones_like(x).index_fill(0, at::tensor({1}, at::kLong), 1.3);
  for (const double gamma : {.9, .99999}) {
    const MemoryWorld world(
        tau, uniform({4}), gamma,
        {{"x", x}, {"far", x + 1e6}, {"below", x - 1e6}, {"y", y}, {"nearly", nearly}});
    std::vector<Comparison> all = starc(world);
    all.push_back(ValPotential({.pairs = {"2-2"}}).compare(world));
    all.push_back(Span({}).compare(world));
    all.push_back(Erc({}).compare(world));
    for (const Comparison& found : all) {
      const PairMatrix& d = found.metrics[0];
      for (const int i : {1, 2}) {
        const double far = between(d, 0, 3);
        EXPECT_LT(between(d, 0, i), 1e-9 * far) << d.key;
        EXPECT_NEAR(between(d, i, 3), far, 1e-9 * far) << d.key;
      }
    }
    EXPECT_TRUE(says(all[0].degenerate, "reward 'nearly' is trivial"));
    EXPECT_FALSE(says(all[0].degenerate, "digits are certain"));
    const rewards::PolicyReturns returns(world, world.info_.rewards);
    EXPECT_NEAR(returns.highest(1) - returns.highest(0), 1e6 / (1 - gamma), 1e-5 / (1 - gamma));
    EXPECT_NEAR(returns.range(2), returns.range(0), 1e-9 * returns.range(0));
    EXPECT_TRUE(returns.trivial(4));
  }
}

// What does not happen decides neither whether a constant comes off nor whether returns overflow.
TEST(Rounding, ImpossibleRewardsAreNoOffsets) {
  const at::Tensor tau = tensor(from_json("[[[1, 0], [1, 0]], [[0, 1], [1, 0]]]", ""));
  const at::Tensor possible =
      tensor(from_json("[[[1.25, 0], [1, 0]], [[0, 1.4], [1, 0]]]", "")) * 1e308;
  for (const double elsewhere : {0.0, -1.7e308}) {
    const at::Tensor R = at::where(tau > 0, possible, elsewhere);
    const MemoryWorld world(tau, uniform({2}), .3, {{"R", R}, {"other", tau}});
    const rewards::Levelled of(world);
    EXPECT_TRUE(of.rewards.isfinite().all().item<bool>());
    EXPECT_EQ(of.offset[0].item<double>(), elsewhere == 0 ? 1e308 : 0);
  }
}

// ... nor does a return's size come from there: potential shaping alone has no correlation.
TEST(Rounding, ImpossibleRewardsHideNoTrivialOne) {
  RandomWorlds random(38);
  const at::Tensor tau = tensor(from_json("[[[1, 0], [0, 1]], [[0, 1], [1, 0]]]", ""));
  const at::Tensor shaping = at::where(tau > 0, 1e-10 * random.shaping(tau, .9), 1e300);
  const MemoryWorld world(tau, tensor(from_json("[1, 0]", "")), .9,
                          {{"shaping", shaping}, {"other", random.normal({2, 2, 2})}});
  EXPECT_TRUE(std::isnan(between(Erc({}).compare(world).metrics[0], 0, 1)));
}

TEST(Rounding, ReturnsOverflowByTheirConstantToo) {
  const at::Tensor tau = uniform({2, 2, 2}), R = 1e307 * at::ones_like(tau);
  R[0][0].mul_(1.001);
  const MemoryWorld world(tau, uniform({2}), .99, {{"R", R}, {"-R", -R}});
  EXPECT_THROW(rewards::PolicyReturns(world, world.info_.rewards), Error);
}

// Where episodes end, a reward per step pays for their length.
TEST(Rounding, OffsetsCountWhereEpisodesEnd) {
  MemoryWorld world = golden_world(golden_vector("G02"));
  world.transitions_.dense = world.transitions_.dense.clone();
  world.transitions_.dense[1].zero_();
  world.rewards_ = at::stack({world.rewards_[0], world.rewards_[0] + 8});
  const rewards::Levelled of(world);
  EXPECT_TRUE(of.rewards.equal(world.rewards_));
  EXPECT_FALSE(of.offset.any().item<bool>());
}

// It is 0 for every norm or for none, whatever the potential's size.
TEST(Rounding, ShapingAloneIsTrivialForAllNormsAlike) {
  RandomWorlds random(32);
  for (const double gamma : {0.0, .5, .99, .99999}) {
    for (const double size : {1e-8, 1.0, 1e6, 1e12}) {
      const at::Tensor tau = random.transitions(6, 3);
      const MemoryWorld world(tau, uniform({6}), gamma,
                              {{"R", random.normal({6, 3, 6})},
                               {"shaping", (size * random.shaping(tau, gamma)).contiguous()},
                               {"constant", at::full({6, 3, 6}, size * 0.7, at::kDouble)}});
      for (const Comparison& found : starc(world)) {
        const std::vector<std::string> expected = {cat("reward 'shaping' ", rewards::kTrivial),
                                                   cat("reward 'constant' ", rewards::kTrivial)};
        EXPECT_EQ(found.degenerate, expected) << gamma << " " << size;
        for (const PairMatrix& matrix : found.metrics) {
          EXPECT_EQ(between(matrix, 1, 2), 0) << matrix.key << " " << gamma << " " << size;
        }
      }
    }
  }
}

// The promise w12 >= L d is one of non-trivial rewards: by definition nothing is lost of others.
// Planning has the same measure of what is nothing.
TEST(Rounding, PlanningTellsASignalFromNothing) {
  RandomWorlds random(35);
  const at::Tensor tau = random.transitions(5, 3), x = random.normal({5, 3, 5});
  const at::Tensor shaping = 1e10 * random.shaping(tau, .9);
  const MemoryWorld world(tau, uniform({5}), .9,
                          {{"up", x}, {"down", shaping - x}, {"nothing", shaping}});
  const Comparison found = Span({}).compare(world), regrets = Regret({}).compare(world);
  EXPECT_NEAR(between(metric(found, "span"), 0, 1), 2, 1e-3);
  EXPECT_NEAR(between(metric(found, "w21"), 0, 1), 1, 1e-3);
  EXPECT_NEAR(between(metric(regrets, "regret2_pessimistic"), 0, 1), 1, 1e-2);
  for (const Comparison* of : {&found, &regrets}) {
    EXPECT_TRUE(says(of->degenerate, "reward 'down' is nearly all potential shaping: of its "));
    EXPECT_TRUE(says(of->degenerate, "reward 'nothing' is trivial"));
    EXPECT_FALSE(says(of->degenerate, "'up'"));
  }
}

TEST(Rounding, PlanningSaysWhereItMayChooseOtherPolicies) {
  RandomWorlds random(36);
  const at::Tensor tau = random.transitions(4, 2), x = random.normal({4, 2, 4});
  const MemoryWorld world(tau, uniform({4}), .999999,
                          {{"plain", x}, {"shaped", x + 1e8 * random.shaping(tau, .999999)}});
  const Comparison found = Regret({}).compare(world);
  ASSERT_EQ(found.degenerate.size(), 1U);
  EXPECT_NE(found.degenerate[0].find(
                "rounding leaves open which policies are optimal for reward 'shaped'"),
            std::string::npos);
}

TEST(Rounding, ATrivialRewardIsNamedWhereCompletenessIsClaimed) {
  const MemoryWorld world = golden_world(golden_vector("G06"));
  const std::string caveat =
      "Going by another reward loses nothing of 'R1', which is trivial, however large the "
      "distance.";
  for (const Comparison& found : starc(world)) {
    for (const Certificate& c : found.certificates) {
      EXPECT_EQ(c.complete, c.caveat.find(caveat) != std::string::npos) << c.metric;
    }
  }
}

TEST(Rounding, RewardsAtTheEndsOfTheRange) {
  RandomWorlds random(33);
  const at::Tensor tau = random.transitions(4, 2), R = random.normal({4, 2, 4});
  const auto of = [&](double scale) {
    return MemoryWorld(tau, uniform({4}), .9,
                       {{"R", R}, {"scaled", R * scale}, {"other", random.normal({4, 2, 4})}});
  };
  for (const double scale : {1e-305, 1e-290, 1e290, 1e304}) {
    for (const Comparison& found : starc(of(scale))) {
      EXPECT_LT(between(metric(found, found.metrics[0].key.substr(0, 3) == "VAL"
                                          ? "VAL/2-2"
                                          : cat(found.metrics[0].key.substr(
                                                    0, found.metrics[0].key.find('/')),
                                                "/2-2")),
                        0, 1),
                1e-9)
          << scale;
      EXPECT_EQ(says(found.degenerate, "reward 'scaled' is so small that float64 holds few"),
                scale < 1e-292);
    }
  }
  EXPECT_TRUE(says(None({.pairs = {"2-2"}}).compare(of(1e-310)).degenerate, "is so small"));
  try {
    (void)Val({}).compare(of(1e308));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(),
              "reward 'scaled' overflows float64 when it is brought to its VAL form");
    EXPECT_EQ(error.help(), "scale it down: normalised distances do not see the scale");
  }
}

TEST(Rounding, GammaIsBlamedWhereItIsTheCause) {
  // 1 - gamma is lost in 1 - gamma tau, and the system is singular.
  const at::Tensor chance = at::full({5, 5}, 0.225, at::kDouble);
  chance.fill_diagonal_(0.1);
  const at::Tensor tau = chance.unsqueeze(1);
  const MemoryWorld world(tau, uniform({5}), std::nextafter(1.0, 0.0), {{"R", at::ones_like(tau)}});
  try {
    (void)rewards::PolicyEvaluation(world).values(
        rewards::expected_rewards(world.transitions_.dense, world.rewards_));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("with 1 - gamma = 1.11022e-16 its system's condition number"),
              std::string::npos)
        << error.message();
    EXPECT_EQ(error.help(), "use a smaller gamma");
  }
}

// Of the world's policy, or of the uniform one whatever the world says.
TEST(Rounding, ValOfTheUniformPolicy) {
  RandomWorlds random(34);
  MemoryWorld world(random.transitions(4, 3), uniform({4}), .9,
                    {{"a", random.normal({4, 3, 4})}, {"b", random.normal({4, 3, 4})}});
  const at::Tensor plain = metric(Val({}).compare(world), "VAL/2-2").values;
  world.policy_ = random.probabilities({4, 3});
  const at::Tensor own = metric(Val({}).compare(world), "VAL/2-2").values;
  const at::Tensor set =
      metric(Val({.policy = Val::Policy::uniform}).compare(world), "VAL/2-2").values;
  EXPECT_EQ(largest(set - plain), 0);
  EXPECT_GT(largest(own - plain), 1e-3);
}

}  // namespace
}  // namespace saffron::plugins
