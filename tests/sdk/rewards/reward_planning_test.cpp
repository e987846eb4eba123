#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>

#include <ATen/ops/tensor.h>

#include <cmath>

// Exact planning, against golden vectors and against every deterministic policy of small worlds.

namespace saffron::rewards {
namespace {

using namespace saffron::testing;

// J of each reward [R] for each of the A^S deterministic policies.
std::vector<at::Tensor> all_returns(const MemoryWorld& of) {
  const std::int64_t S = of.transitions_.states, A = of.transitions_.actions;
  MemoryWorld world = of;
  std::vector<at::Tensor> out;
  std::vector<std::int64_t> policy(static_cast<std::size_t>(S), 0);
  for (;;) {
    world.policy_ = at::zeros({S, A}, at::kDouble);
    for (std::int64_t s = 0; s < S; ++s) {
      world.policy_[s][policy[static_cast<std::size_t>(s)]] = 1;
    }
    const at::Tensor V =
        PolicyEvaluation(world).values(expected_rewards(world.transitions_.dense, world.rewards_));
    out.push_back((V * world.mu0_).sum(-1));
    std::size_t digit = 0;
    while (digit < policy.size() && ++policy[digit] == A) policy[digit++] = 0;
    if (digit == policy.size()) return out;
  }
}

double range_of(const std::vector<at::Tensor>& J, double of_first, double of_second, int i, int j) {
  double low = INFINITY, high = -INFINITY;
  for (const at::Tensor& each : J) {
    const double x = of_first * each[i].item<double>() + of_second * each[j].item<double>();
    low = std::min(low, x);
    high = std::max(high, x);
  }
  return high - low;
}

// The least value over lambda in [0, 2] by golden sections; the function is convex.
double least_range(const std::vector<at::Tensor>& J, int i, int j) {
  const double one = range_of(J, 1, 0, i, j), two = range_of(J, 0, 1, i, j);
  const auto f = [&](double lambda) { return range_of(J, 1 / one, -lambda / two, i, j); };
  double low = 0, high = 2;
  const double section = (std::sqrt(5.0) - 1) / 2;
  while (high - low > 1e-13) {
    const double a = high - section * (high - low), b = low + section * (high - low);
    (f(a) <= f(b) ? high : low) = f(a) <= f(b) ? b : a;
  }
  return f((low + high) / 2);
}

MemoryWorld random_world(RandomWorlds& random, int rewards = 2) {
  const std::int64_t S = std::min<std::int64_t>(random.size(), 4);
  const std::int64_t A = std::min<std::int64_t>(random.size(), 3);
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (int i = 0; i < rewards; ++i) named.emplace_back(cat("R", i), random.normal({S, A, S}));
  return {random.transitions(S, A), random.probabilities({S}), random.discount(), named};
}

// J of reward i of a stochastic policy of the reached states.
double J(const MemoryWorld& of, const PolicyReturns& returns, const at::Tensor& policy, int i) {
  MemoryWorld world = of;
  world.policy_ = at::zeros_like(of.policy_);
  world.policy_.index_copy_(0, returns.planner().states(), policy);
  const at::Tensor V =
      PolicyEvaluation(world).values(expected_rewards(world.transitions_.dense, world.rewards_));
  return (V[i] * world.mu0_).sum().item<double>();
}

TEST(PlanningGolden, RangesRegretsAndWorstCases) {
  int compared = 0;
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected").at("regret");
    const MemoryWorld world = golden_world(*vector);
    const PolicyReturns returns(world, world.info_.rewards);
    const auto near = [&](double value, const char* key) {
      const double exact = expected.at(key).as_real();
      EXPECT_NEAR(value, exact, 1e-10 * std::max(1.0, std::abs(exact))) << id << " " << key;
      ++compared;
    };
    near(returns.highest(0), "J1_max");
    near(returns.highest(1), "J2_max");
    near(returns.highest(0) - returns.range(0), "J1_min");
    near(returns.highest(1) - returns.range(1), "J2_min");
    near(returns.range(0), "range1");
    near(returns.range(1), "range2");
    near(returns.span_distance(0, 1), "d_span");
    near(returns.span_distance(1, 0), "d_span");
    near(returns.regret(0, 1).pessimistic, "regret1_pessimistic");
    near(returns.regret(0, 1).optimistic, "regret1_optimistic");
    near(returns.regret(1, 0).pessimistic, "regret2_pessimistic");
    near(returns.regret(1, 0).optimistic, "regret2_optimistic");
    const auto w12 = returns.worst_case(0, 1), w21 = returns.worst_case(1, 0);
    near(w12.regret, "w12");
    near(w21.regret, "w21");
    EXPECT_EQ(w12.lambda.has_value(), !expected.at("w12_lambda").is_null()) << id;
    EXPECT_EQ(w21.lambda.has_value(), !expected.at("w21_lambda").is_null()) << id;
    if (w12.lambda) near(*w12.lambda, "w12_lambda");
    if (w21.lambda) near(*w21.lambda, "w21_lambda");
  }
  EXPECT_EQ(compared, 12 * 14 + 21);
}

TEST(Planning, BestOfAllDeterministicPolicies) {
  RandomWorlds random(41);
  for (int i = 0; i < 15; ++i) {
    const MemoryWorld world = random_world(random);
    const PolicyReturns returns(world, world.info_.rewards);
    const auto J = all_returns(world);
    for (const int r : {0, 1}) {
      double high = -INFINITY;
      for (const at::Tensor& each : J) high = std::max(high, each[r].item<double>());
      EXPECT_NEAR(returns.highest(r), high, 1e-10);
      EXPECT_NEAR(returns.range(r), range_of(J, 1, 0, r, r), 1e-10);
    }
    const double one = range_of(J, 1, 0, 0, 1), two = range_of(J, 0, 1, 0, 1);
    EXPECT_NEAR(returns.span_distance(0, 1), range_of(J, 1 / one, -1 / two, 0, 1), 1e-10);
    EXPECT_NEAR(returns.worst_case(0, 1).regret, least_range(J, 0, 1), 1e-10);
    EXPECT_NEAR(returns.worst_case(1, 0).regret, least_range(J, 1, 0), 1e-10);
  }
}

TEST(Planning, MatricesHoldThePairs) {
  RandomWorlds random(50);
  const MemoryWorld world = random_world(random, 4);
  const PolicyReturns returns(world, world.info_.rewards);
  const at::Tensor span = returns.span_distances();
  const auto worst = returns.worst_cases();
  const auto regrets = returns.regrets();
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) {
      const auto at = static_cast<std::size_t>(4 * i + j);
      EXPECT_NEAR(span[i][j].item<double>(), returns.span_distance(i, j), 1e-12);
      EXPECT_NEAR(worst[at].regret, returns.worst_case(i, j).regret, 1e-12);
      EXPECT_NEAR(regrets[at].pessimistic, returns.regret(i, j).pessimistic, 1e-12);
      EXPECT_NEAR(regrets[at].optimistic, returns.regret(i, j).optimistic, 1e-12);
    }
  }
}

// w12 <= span <= 2 w12, and the same with w21: constants U = 1 and L = 1 / 2 in every world. Regret
// is one case of the worst.
TEST(Planning, SpanSandwich) {
  RandomWorlds random(42);
  double least = INFINITY, most = 0;
  for (int i = 0; i < 60; ++i) {
    MemoryWorld world = random_world(random, 3);
    if (i % 3 == 0) world.rewards_[1] = world.rewards_[0] + 0.05 * world.rewards_[1];
    if (i % 5 == 0) world.rewards_[2] = -world.rewards_[0];
    const PolicyReturns returns(world, world.info_.rewards);
    const at::Tensor span = returns.span_distances();
    const auto worst = returns.worst_cases();
    const auto regrets = returns.regrets();
    for (std::int64_t a = 0; a < 3; ++a) {
      for (std::int64_t b = 0; b < 3; ++b) {
        const auto at = static_cast<std::size_t>(3 * a + b);
        const double d = span[a][b].item<double>(), w = worst[at].regret;
        EXPECT_LE(w, d + 1e-11);
        EXPECT_LE(d, 2 * w + 1e-11);
        EXPECT_LE(regrets[at].pessimistic, w + 1e-11);
        EXPECT_LE(regrets[at].optimistic, regrets[at].pessimistic + 1e-11);
        if (a == b) continue;
        least = std::min(least, w / d);
        most = std::max(most, w / d);
      }
    }
  }
  EXPECT_NEAR(least, 0.5, 1e-10);  // at negation
  EXPECT_GT(most, 0.9);
}

// The policies that attain w12: what the theorem is about, evaluated by themselves.
TEST(Planning, PoliciesAttainTheWorstCase) {
  RandomWorlds random(43);
  int mixed = 0;
  for (int i = 0; i < 40; ++i) {
    const MemoryWorld world = random_world(random);
    const PolicyReturns returns(world, world.info_.rewards);
    const auto worst = returns.worst_case(0, 1);
    for (const at::Tensor& policy : {worst.better, worst.followed}) {
      EXPECT_TRUE((policy >= 0).all().item<bool>());
      EXPECT_LT(largest(policy.sum(-1) - 1), 1e-12);
      mixed += ((policy > 0) & (policy < 1)).any().item<bool>() ? 1 : 0;
    }
    const double loss = J(world, returns, worst.better, 0) - J(world, returns, worst.followed, 0);
    EXPECT_NEAR(loss, worst.regret * returns.range(0), 1e-9 * returns.range(0));
    const double gain = J(world, returns, worst.followed, 1) - J(world, returns, worst.better, 1);
    EXPECT_GE(gain, -1e-9 * returns.range(1));
  }
  EXPECT_GT(mixed, 10);
}

// Potentials of 1e6, S'-redistribution, scale, rewards of unreached states and of impossible
// transitions: no return's difference depends on them.
TEST(Planning, BlindToWhatNoPolicySees) {
  RandomWorlds random(44);
  for (int i = 0; i < 30; ++i) {
    MemoryWorld world = random_world(random, 3);
    const std::int64_t last = world.transitions_.states - 1;
    at::Tensor tau = world.transitions_.dense;
    tau.slice(0, 0, last).select(2, last).zero_();
    tau.div_(tau.sum(-1, true));
    world.mu0_[last] = 0;
    world.mu0_ /= world.mu0_.sum();
    at::Tensor same = world.rewards_[2];
    same.copy_(40 * (world.rewards_[0] + random.redistribution(tau)));
    same[last] += 1e3;
    same.add_(1e6 * random.shaping(tau, world.gamma_));
    const PolicyReturns returns(world, world.info_.rewards);
    EXPECT_EQ(returns.planner().states().size(0), last);
    EXPECT_LT(returns.span_distance(0, 2), 1e-7);
    EXPECT_NEAR(returns.span_distance(1, 2), returns.span_distance(1, 0), 1e-7);
    EXPECT_NEAR(returns.worst_case(1, 2).regret, returns.worst_case(1, 0).regret, 1e-7);
  }
}

TEST(Planning, TrivialRewards) {
  RandomWorlds random(45);
  for (int i = 0; i < 10; ++i) {
    MemoryWorld world = random_world(random, 3);
    world.rewards_[1].copy_(random.shaping(world.transitions_.dense, world.gamma_));
    world.rewards_[2].zero_();
    const PolicyReturns returns(world, world.info_.rewards);
    EXPECT_EQ(returns.trivial(), (std::vector<std::string>{"R1", "R2"}));
    EXPECT_NEAR(returns.span_distance(0, 1), 1, 1e-12);
    EXPECT_EQ(returns.span_distance(1, 2), 0);
    EXPECT_NEAR(returns.worst_case(0, 1).regret, 1, 1e-12);
    EXPECT_EQ(returns.worst_case(1, 0).regret, 0);
    EXPECT_NEAR(returns.regret(0, 1).pessimistic, 1, 1e-12);
    EXPECT_NEAR(returns.regret(0, 1).optimistic, 0, 1e-12);
    EXPECT_EQ(returns.regret(1, 0).pessimistic, 0);
  }
}

// What follows the first step counts for nothing, and where it leads is not where episodes end.
TEST(Planning, DiscountOfZero) {
  const MemoryWorld world(
      tensor(from_json("[[[0, 1], [0, 1]], [[0, 1], [0, 1]]]", "")),
      tensor(from_json("[1, 0]", "")), 0,
      {{"first", tensor(from_json("[[[1, 1], [-1, -1]], [[0, 0], [0, 0]]]", ""))},
       {"second", tensor(from_json("[[[-1, -1], [1, 1]], [[9, 9], [0, 0]]]", ""))}});
  const PolicyReturns returns(world, {"first", "second"});
  EXPECT_EQ(returns.range(0), 2);
  EXPECT_EQ(returns.range(1), 2);
  EXPECT_EQ(returns.span_distance(0, 1), 2);
  EXPECT_EQ(returns.worst_case(0, 1).regret, 1);
  EXPECT_EQ(returns.regret(1, 0).optimistic, 1);
}

// ... and a constant there is no reward, whatever rounding leaves of it beside what does not count.
TEST(Planning, DiscountOfZeroAndAConstant) {
  for (const double c : {.1, 57.1, .7, 1.1}) {
    const MemoryWorld world(
        tensor(from_json("[[[0.1, 0.9], [0.3, 0.7]], [[0, 1], [1, 0]]]", "")),
        tensor(from_json("[1, 0]", "")), 0,
        {{"constant", c * tensor(from_json("[[[1, 1], [1, 1]], [[9, 9], [0, 0]]]", ""))},
         {"other", tensor(from_json("[[[1, 1], [0, 0]], [[0, 0], [0, 0]]]", ""))}});
    const PolicyReturns returns(world, {"constant", "other"});
    EXPECT_TRUE(returns.trivial(0));
    EXPECT_EQ(returns.worst_case(1, 0).regret, 1);
    EXPECT_EQ(returns.span_distance(0, 1), 1);
    EXPECT_EQ(returns.regret(0, 0).pessimistic, 0);
  }
}

// Two actions that the followed reward cannot tell apart, and the other can.
TEST(Planning, TiesAreTakenBothWays) {
  const at::Tensor tau = uniform({2, 3, 2}), R1 = at::zeros({2, 3, 2}, at::kDouble);
  const at::Tensor R2 = at::zeros_like(R1);
  for (const int a : {0, 1}) R2.select(1, a).fill_(5);
  R1.select(1, 0).fill_(1);
  R1.select(1, 1).fill_(0.25);
  const MemoryWorld world(tau, uniform({2}), 0.9, {{"R1", R1}, {"R2", R2}});
  const PolicyReturns returns(world, world.info_.rewards);
  EXPECT_NEAR(returns.regret(0, 1).optimistic, 0, 1e-12);
  EXPECT_NEAR(returns.regret(0, 1).pessimistic, 0.75, 1e-12);
  EXPECT_NEAR(returns.regret(1, 0).pessimistic, 0, 1e-12);
}

// Without an end, and with one: an absorbing state that pays nothing is a terminal one.
TEST(Planning, TerminalStates) {
  RandomWorlds random(46);
  for (int i = 0; i < 10; ++i) {
    MemoryWorld ends = random_world(random), absorbs = ends;
    const std::int64_t last = ends.transitions_.states - 1;
    ends.transitions_.dense[last].zero_();
    absorbs.transitions_.dense = ends.transitions_.dense.clone();
    absorbs.transitions_.dense[last].select(1, last).fill_(1);
    absorbs.rewards_ = ends.rewards_.clone();
    absorbs.rewards_.select(1, last).zero_();
    const PolicyReturns a(ends, ends.info_.rewards), b(absorbs, absorbs.info_.rewards);
    EXPECT_NEAR(a.highest(0), b.highest(0), 1e-10);
    EXPECT_NEAR(a.range(1), b.range(1), 1e-10);
    EXPECT_NEAR(a.span_distance(0, 1), b.span_distance(0, 1), 1e-10);
    EXPECT_NEAR(a.worst_case(0, 1).regret, b.worst_case(0, 1).regret, 1e-10);
  }
}

// A state that is hardly ever reached and pays much: what is worth little elsewhere is no rounding.
// In state 0, action 1 costs B something that is much of what it can earn there, and A wants it.
TEST(Planning, ALargeRewardFarOffHidesNothing) {
  for (const double p : {1e-6, 1e-9, 1e-12}) {
    MemoryWorld world(
        at::zeros({2, 2, 2}, at::kDouble), tensor(from_json("[1, 0]", "")), 0.9,
        {{"A", tensor(from_json("[[[0, 0], [1, 1]], [[0, 0], [0, 0]]]", ""))},
         {"B", tensor(from_json("[[[0, 0], [-0.02, -0.02]], [[1, 1], [0, 0]]]", ""))}});
    world.transitions_.dense[0].copy_(at::tensor({1 - p, p}, at::kDouble));
    world.transitions_.dense[1].select(1, 1).fill_(1);
    world.rewards_[1][1] /= p;
    const PolicyReturns returns(world, world.info_.rewards);
    EXPECT_NEAR(returns.regret(0, 1).optimistic, 1, 1e-12) << p;
    EXPECT_EQ(returns.uncertain_optima(), std::vector<std::string>()) << p;
    // J_A is 10 x and J_B 90 y - .2 x, x and y being how often the action is taken in state 0 and the
    // reward of state 1.
    EXPECT_NEAR(returns.range(1), 90.2, 1e-3) << p;
    EXPECT_NEAR(returns.span_distance(0, 1), 2, 1e-12) << p;
  }
}

// ... nor are plans made as if: B takes 3 x / gamma at every other step, or half of x at each.
TEST(Planning, SmallStatesAreImprovedToo) {
  const double p = 1e-12, x = .03;
  const at::Tensor tau = tensor(
      from_json("[[[0, 0, 1], [1, 0, 0]], [[0, 1, 0], [0, 1, 0]], [[1, 0, 0], [1, 0, 0]]]", ""));
  at::Tensor rare = tau.clone();
  for (const int s : {0, 2}) {
    rare[s].mul_(1 - p);
    rare[s].select(1, 1).fill_(p);
  }
  at::Tensor B = at::zeros_like(tau), C = at::zeros_like(tau);
  B[0][1].fill_(x / 2);
  B[1][0].fill_(1 / p);
  B[2].fill_(3 * x / .9);
  C[0][0].fill_(1);
  const MemoryWorld world(rare, tensor(from_json("[1, 0, 0]", "")), .9, {{"C", C}, {"B", B}});
  const PolicyReturns returns(world, world.info_.rewards);
  EXPECT_NEAR(returns.regret(1, 0).pessimistic, returns.worst_case(1, 0).regret, 1e-12);
  EXPECT_NEAR(returns.span_distance(0, 1), 1.992832794336165, 1e-12);
  EXPECT_NEAR(returns.worst_case(1, 0).regret, 0.9964163971680825, 1e-12);
}

// Episodes of a few steps, whatever gamma, in which nothing is shaped.
TEST(Planning, NothingIsSaidOfOptimaThatAreCertain) {
  const at::Tensor tau =
      tensor(from_json("[[[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]], [[0.5, 0, 0.5], [0, 0.5, 0.5]], "
                       "[[0, 0, 0], [0, 0, 0]]]",
                       ""));
  const at::Tensor R = tensor(from_json(
      "[[[1, -2, 3], [0, 2, -1]], [[3, -3, 1], [2, 0, -2]], [[0, 0, 0], [0, 0, 0]]]", ""));
  for (const double gamma : {.999, .999999, .9999999}) {
    const MemoryWorld world(tau, uniform({3}), gamma, {{"R", R}, {"-R", -R}});
    const PolicyReturns returns(world, world.info_.rewards);
    EXPECT_EQ(returns.uncertain_optima(), std::vector<std::string>()) << gamma;
    EXPECT_NEAR(returns.regret(0, 1).optimistic, 1, 1e-12) << gamma;
  }
}

TEST(Planning, LongHorizons) {
  RandomWorlds random(47);
  for (const double gamma : {0.0, 0.999, 0.99999}) {
    MemoryWorld world = random_world(random);
    world.gamma_ = gamma;
    const PolicyReturns returns(world, world.info_.rewards);
    const auto J = all_returns(world);
    EXPECT_NEAR(returns.range(0) / range_of(J, 1, 0, 0, 1), 1, 1e-8) << gamma;
    EXPECT_NEAR(returns.worst_case(0, 1).regret, least_range(J, 0, 1), 1e-7) << gamma;
  }
}

TEST(Planning, OverflowIsNamed) {
  RandomWorlds random(48);
  MemoryWorld world = random_world(random);
  world.rewards_[1] *= 1e308;
  try {
    const PolicyReturns returns(world, world.info_.rewards);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(), "the returns of reward 'R1' overflow float64");
  }
}

// What is left is orthogonal to every potential, and nothing less is.
TEST(Shaping, ResidualIsTheProjection) {
  RandomWorlds random(49);
  for (int i = 0; i < 20; ++i) {
    const MemoryWorld world = random_world(random);
    const at::Tensor& tau = world.transitions_.dense;
    const at::Tensor kappa = random.probabilities({tau.size(0), tau.size(1)});
    const ShapingProjection shaping(tau, world.gamma_, kappa);
    const at::Tensor r = expected_rewards(tau, world.rewards_), rest = shaping.residual(r);
    const at::Tensor potential = random.shaping(tau, world.gamma_).unsqueeze(0);
    const at::Tensor P = expected_rewards(tau, potential.contiguous());
    EXPECT_LT(largest((P * kappa * rest).sum(at::IntArrayRef{-2, -1})), 1e-11);
    EXPECT_LT(largest(shaping.residual(r + P) - rest), 1e-11);
    EXPECT_LT(largest(shaping.residual(rest) - rest), 1e-12);
  }
}

}  // namespace
}  // namespace saffron::rewards
