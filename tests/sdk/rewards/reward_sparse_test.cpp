#include "tests/plugins/comparators/sparse_worlds.h"

#include <saffron/reward_planning.h>
#include <saffron/reward_sparse.h>

#include <ATen/Parallel.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/roll.h>

#include <numbers>

// Iterative solvers against dense factorisations, and against worlds whose solution is known.

namespace saffron::rewards {
namespace {

using namespace saffron::testing;

MemoryWorld random_world(RandomWorlds& random, std::int64_t S, double gamma, bool ends = false) {
  constexpr std::int64_t kActions = 3;
  at::Tensor tau = few_successors(random, S, kActions, 4);
  const at::Tensor R = random.normal({S, kActions, S});
  if (ends) tau[S - 1].zero_();
  MemoryWorld out(tau, random.probabilities({S}), gamma,
                  {{"a", R},
                   {"b", random.normal({S, kActions, S})},
                   {"near a", R + 0.1 * random.normal({S, kActions, S})},
                   {"shaped", 3 * (R + random.shaping(tau, gamma) * (ends ? 0 : 1e3))}});
  out.policy_ = random.probabilities({S, kActions});
  if (ends) out.terminal_[S - 1] = true;
  return out;
}

struct Parts {
  SparseMatrix tau;
  at::Tensor r, size;
  explicit Parts(const MemoryWorld& world)
      : tau(SparseMatrix::of(world.transitions_)),
        r(expected_on_support(tau, world.rewards_)),
        size(expected_on_support(tau, world.rewards_.abs())) {}
};

TEST(SparseMatrices, ProductsAreThoseOfDenseOnes) {
  RandomWorlds random(51);
  for (const bool ends : {false, true}) {
    const MemoryWorld dense = random_world(random, 60, 0.9, ends), world = sparse(dense);
    const Parts of(world);
    const at::Tensor tau = dense.transitions_.dense.view({180, 60});
    const at::Tensor x = random.normal({60, 3}), y = random.normal({180, 2});
    EXPECT_LT(largest(of.tau.times(x) - at::matmul(tau, x)), 1e-14);
    EXPECT_LT(largest(of.tau.transposed().times(y) - at::matmul(tau.t(), y)), 1e-13);
    const at::Tensor T = (dense.policy_.unsqueeze(-1) * dense.transitions_.dense).sum(1);
    EXPECT_LT(largest(of.tau.chain(dense.policy_).times(x) - at::matmul(T, x)), 1e-14);
    const at::Tensor r = expected_rewards(dense.transitions_.dense, dense.rewards_);
    EXPECT_LT(largest(of.r.t() - r.flatten(1)), 1e-11);
    const Cells cells = cells_of(of.tau, true), same = Cells::of(dense.transitions_.dense, true);
    EXPECT_LT(largest(cells.mass - same.mass) + largest(cells.peak - same.peak) +
                  largest(cells.count - same.count),
              1e-15);
  }
}

TEST(SparseEvaluations, AgreeWithFactorisations) {
  RandomWorlds random(52);
  for (const double gamma : {0.0, 0.9, 0.99, 0.999, 0.99999}) {
    const MemoryWorld dense = random_world(random, 200, gamma), world = sparse(dense);
    const Parts of(world);
    const at::Tensor r = random.normal({200, 4}) * at::arange(4, at::kDouble);  // one is 0
    const at::Tensor exact = PolicyEvaluation(dense).solve(r);
    const auto found = SparseEvaluation(of.tau.chain(dense.policy_), gamma).solve(r);
    for (std::int64_t k = 0; k < 4; ++k) {
      const double error = largest(found.values.select(1, k) - exact.select(1, k));
      EXPECT_LE(error, 1e-11 / (1 - gamma) * std::max(1e-30, largest(exact)));
      // What the residual says of it, but for the rounding of both.
      EXPECT_LE(error, found.residual[k].item<double>() / (1 - gamma) +
                           1e-15 / (1 - gamma) * largest(exact));
    }
    EXPECT_FALSE(found.swept);
  }
}

TEST(SparseEvaluations, NeitherScaleNorThreadsNorColumnsChangeThem) {
  RandomWorlds random(53);
  const MemoryWorld world = sparse(random_world(random, 200, 0.99));
  const Parts of(world);
  const SparseEvaluation evaluation(of.tau.chain(world.policy_), 0.99);
  const at::Tensor r = random.normal({200, 1});
  const at::Tensor V = evaluation.solve(r).values;
  for (const double scale : {1e-300, 1e300}) {
    EXPECT_LT(largest(evaluation.solve(r * scale).values / scale - V), 1e-9 * largest(V)) << scale;
  }
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 2 : 1);
  const at::Tensor again = evaluation.solve(r).values;
  at::set_num_threads(threads);
  EXPECT_EQ(largest(again - V), 0);
}

TEST(SparseEvaluations, WhatIsNotFoundIsSaid) {
  RandomWorlds random(54);
  const MemoryWorld world = sparse(random_world(random, 100, 0.999));
  const Parts of(world);
  const SparseEvaluation evaluation(of.tau.chain(world.policy_), 0.999,
                                    {.iterations = 2, .sweeps = 3});
  try {
    (void)evaluation.solve(random.normal({100, 1}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_NE(error.message().find("after 2 iterations of BiCGStab and 3 sweeps of Gauss-Seidel "
                                   "the residual is "),
              std::string::npos)
        << error.message();
  }
  const SparseEvaluation swept(of.tau.chain(world.policy_), 0.999, {.iterations = 0});
  const at::Tensor r = random.normal({100, 1});
  const auto found = swept.solve(r);
  EXPECT_TRUE(found.swept);
  const at::Tensor exact = SparseEvaluation(of.tau.chain(world.policy_), 0.999).solve(r).values;
  EXPECT_LT(largest(found.values - exact), 1e-9 * largest(exact));
  EXPECT_THROW((void)SparseProjection(of.tau, 0.999, at::ones({300}, at::kDouble), of.r, of.size,
                                      {.iterations = 5}),
               Error);
}

TEST(SparseForms, AgreeWithDenseOnes) {
  RandomWorlds random(55);
  for (const bool ends : {false, true}) {
    for (const double gamma : {0.0, 0.9, 0.99, 0.999}) {
      const MemoryWorld dense = random_world(random, 150, gamma, ends), world = sparse(dense);
      const Parts of(world);
      const at::Tensor& tau = dense.transitions_.dense;
      const at::Tensor r = expected_rewards(tau, dense.rewards_);
      const PolicyEvaluation evaluation(dense);
      const at::Tensor V = evaluation.values(r);
      const at::Tensor c = r + gamma * at::matmul(tau, V.t()).movedim(-1, 0) - V.unsqueeze(-1);
      const SparseAdvantage form(of.tau, gamma, world.policy_, of.r, of.size);
      const at::Tensor kappa = at::ones({150, 3}, at::kDouble),
                       other = 1 + random.normal({150, 3}).abs();
      for (std::int64_t i = 0; i < 4; ++i) {
        const double size = largest(c[i]);
        EXPECT_LT(largest(form.values.select(1, i) - c[i].view(-1)), 1e-9 * size) << gamma << i;
      }
      EXPECT_LT(form.solved.bound, 1e-8);
      for (const at::Tensor& weight : {kappa, other}) {
        const at::Tensor exact = ShapingProjection(tau, gamma, weight).residual(r);
        const SparseProjection found(of.tau, gamma, weight.view(-1), of.r, of.size);
        for (std::int64_t i = 0; i < 4; ++i) {
          const double size = largest(exact[i]);
          EXPECT_LT(largest(found.residual.select(1, i) - exact[i].view(-1)), 1e-9 * size)
              << gamma << " " << i;
        }
        EXPECT_LT(found.solved.bound, 1e-9);
      }
    }
  }
}

// On a ring a reward cos(k s) of the state is an eigenvector of every shift: V under the uniform policy is
// cos(k s) / (1 - gamma cos k), and the advantage of a step to the right
// gamma (cos(k (s + 1)) - cos(k) cos(k s)) / (1 - gamma cos k). The potential that leaves least is
// f cos(k s), f = (1 - gamma cos k) / (1 - 2 gamma cos k + gamma^2).
TEST(SparseForms, OnLargeRings) {
  const double k = 2 * std::numbers::pi * 0.15;
  for (const auto& [kStates, gamma] : {std::pair(std::int64_t{100'000}, 0.99), {5'000, 0.999}}) {
    const at::Tensor s = at::arange(kStates, at::kDouble);
    const at::Tensor wave = at::cos(k * s).unsqueeze(-1).expand({kStates, 2});
    const MemoryWorld world = ring(kStates, gamma, {{"wave", wave}, {"moved", wave + 7}});
    const Parts of(world);
    const SparseAdvantage form(of.tau, gamma, world.policy_, of.r, of.size);
    const double factor = gamma / (1 - gamma * std::cos(k));
    const at::Tensor right = factor * (at::cos(k * (s + 1)) - std::cos(k) * at::cos(k * s));
    for (std::int64_t i = 0; i < 2; ++i) {
      const at::Tensor c = form.values.select(1, i).view({kStates, 2});
      EXPECT_LT(largest(c.select(1, 0) - right), 1e-8 * largest(right));
      EXPECT_LT(largest(c.select(1, 1) + right), 1e-8 * largest(right));
    }
    EXPECT_GT(form.solved.bound, 0);
    const double f = (1 - gamma * std::cos(k)) / (1 - 2 * gamma * std::cos(k) + gamma * gamma);
    const at::Tensor least = (1 - f) * at::cos(k * s) + f * gamma * at::cos(k * (s + 1));
    const SparseProjection found(of.tau, gamma, at::ones({2 * kStates}, at::kDouble), of.r,
                                 of.size);
    for (std::int64_t i = 0; i < 2; ++i) {
      EXPECT_LT(largest(found.residual.select(1, i).view({kStates, 2}).select(1, 0) - least),
                1e-8 * largest(least));
    }
  }
}

// Shaping alone, of which a slowly mixing chain leaves as much rounding as any.
TEST(SparseForms, ShapingAloneIsNoMoreThanNoise) {
  RandomWorlds random(57);
  for (const double gamma : {0.9, 0.999}) {
    const at::Tensor phi = 1e6 * random.normal({2000});
    const at::Tensor left = at::roll(phi, 1), right = at::roll(phi, -1);
    const MemoryWorld world =
        ring(2000, gamma, {{"shaping", at::stack({gamma * right - phi, gamma * left - phi}, 1)}});
    const Parts of(world);
    const SparseAdvantage form(of.tau, gamma, world.policy_, of.r, of.size);
    EXPECT_LE(largest(form.values), form.noise[0].item<double>());
    const SparseProjection least(of.tau, gamma, at::ones({4000}, at::kDouble), of.r, of.size);
    EXPECT_LE(largest(least.residual), least.noise[0].item<double>());
    EXPECT_EQ(SparseReturns(world, world.info_.rewards).trivial(), world.info_.rewards);
  }
}

class SparsePlanning : public ::testing::Test {
 protected:
  static constexpr std::int64_t kStates = 60;
  RandomWorlds random_{56};
};

TEST_F(SparsePlanning, AgreesWithDense) {
  for (const double gamma : {0.0, 0.9, 0.99, 0.999}) {
    const MemoryWorld dense = random_world(random_, kStates, gamma), world = sparse(dense);
    const PolicyReturns exact(dense, dense.info_.rewards);
    const SparseReturns found(world, dense.info_.rewards);
    for (std::int64_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(found.range(i).value, exact.range(i), 1e-9 * exact.range(i));
      EXPECT_NEAR(found.highest(i), exact.highest(i), 1e-9 * std::abs(exact.highest(i)) + 1e-8);
      EXPECT_LT(found.range(i).error, 1e-9 * exact.range(i));
      for (std::int64_t j = 0; j < 4; ++j) {
        const auto near = [&](const Bounded& number, double right) {
          EXPECT_NEAR(number.value, right, 1e-9) << gamma << " " << i << " " << j;
          EXPECT_LE(std::abs(number.value - right), number.error + 1e-10);
          EXPECT_LT(number.error, 1e-7);
        };
        near(found.span_distance(i, j), exact.span_distance(i, j));
        if (i != j) near(found.worst_case(i, j).regret, exact.worst_case(i, j).regret);
        near(found.regret(i, j).pessimistic, exact.regret(i, j).pessimistic);
        near(found.regret(i, j).optimistic, exact.regret(i, j).optimistic);
      }
    }
  }
}

// Two actions that earn alike: which of them an optimal policy takes, decides of the other reward.
TEST_F(SparsePlanning, TiesAndTrivialRewards) {
  MemoryWorld dense = random_world(random_, kStates, 0.9);
  dense.transitions_.dense.select(1, 1).copy_(dense.transitions_.dense.select(1, 0));
  dense.rewards_[0].select(1, 1).copy_(dense.rewards_[0].select(1, 0));
  dense.rewards_[2].fill_(3);
  const MemoryWorld world = sparse(dense);
  const PolicyReturns exact(dense, dense.info_.rewards);
  const SparseReturns found(world, dense.info_.rewards);
  EXPECT_EQ(found.trivial(), std::vector<std::string>{"near a"});
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(found.regret(i, j).pessimistic.value, exact.regret(i, j).pessimistic, 1e-9)
          << i << j;
      EXPECT_NEAR(found.regret(i, j).optimistic.value, exact.regret(i, j).optimistic, 1e-9)
          << i << j;
      EXPECT_NEAR(found.span_distance(i, j).value, exact.span_distance(i, j), 1e-9);
    }
  }
  EXPECT_GT(found.regret(1, 0).pessimistic.value, found.regret(1, 0).optimistic.value + 1e-3);
  EXPECT_EQ(found.range(2).value, 0);
  EXPECT_NEAR(found.highest(2), 30, 1e-9);
}

// A state that is hardly ever met and pays 1 / p: where an action costs 0.02 elsewhere, that is no tie, and
// nothing is uncertain.
TEST_F(SparsePlanning, ALargeRewardFarOffHidesNothing) {
  for (const double p : {1e-9, 1e-15}) {
    at::Tensor tau = at::zeros({2, 2, 2}, at::kDouble), A = at::zeros_like(tau), B = A.clone();
    tau[0].copy_(at::tensor({1 - p, p}, at::kDouble));
    tau[1].select(1, 1).fill_(1);
    A[0][1].fill_(1);
    B[0][1].fill_(-0.02);
    B[1][0].fill_(1 / p);
    const MemoryWorld dense(tau, at::tensor({1.0, 0.0}, at::kDouble), 0.9, {{"A", A}, {"B", B}});
    const SparseReturns found(sparse(dense), dense.info_.rewards);
    EXPECT_NEAR(found.regret(0, 1).optimistic.value, 1, 1e-12);
    EXPECT_EQ(found.uncertain_optima(), std::vector<std::string>());
  }
}

// Actions tie that differ by 1e-9 of what they earn. Taken in each of 1e7 steps, that is something.
TEST_F(SparsePlanning, SaysWhatTiesMayCost) {
  for (const double gamma : {0.99, 0.9999999}) {
    const at::Tensor tau = uniform({2, 2, 2}), R = at::zeros_like(tau);
    R[1][0].fill_(1);
    R[0][1].fill_(1e-3);
    const MemoryWorld dense(tau, uniform({2}), gamma, {{"R", R}, {"-R", -R}});
    const SparseReturns found(sparse(dense), dense.info_.rewards);
    const std::vector<std::string> said = found.uncertain_optima();
    ASSERT_EQ(said.size(), gamma < 0.999 ? 0U : 2U);
    if (said.empty()) continue;
    EXPECT_NE(said[0].find("optimal for reward 'R': those taken for optimal may lose 0.0"),
              std::string::npos)
        << said[0];
  }
}

// On a ring whose one state pays, the best policy goes there the shorter way and steps back and forth: of
// d steps away it earns gamma^d / (1 - gamma^2), and the worst nothing but where it starts there.
TEST_F(SparsePlanning, OnALargeRing) {
  for (const auto& [kLarge, gamma] : {std::pair(std::int64_t{100'000}, 0.99), {20'000, 0.999}}) {
    const at::Tensor pays = at::zeros({kLarge, 2}, at::kDouble), other = at::zeros_like(pays);
    pays[0] = 1;
    other[kLarge / 2] = 2;
    const MemoryWorld world = ring(kLarge, gamma, {{"here", pays}, {"there", other}});
    const SparseReturns found(world, world.info_.rewards);
    const at::Tensor s = at::arange(kLarge, at::kDouble);
    const at::Tensor away = at::minimum(s, kLarge - s);
    const double range = at::pow(gamma, away).mean().item<double>() / (1 - gamma * gamma) -
                         1 / static_cast<double>(kLarge);
    EXPECT_NEAR(found.range(0).value, range, 1e-9 * range);
    EXPECT_NEAR(found.range(1).value, 2 * range, 2e-9 * range);
    // Far apart, each can be had without the other.
    const Bounded d = found.span_distance(0, 1);
    EXPECT_NEAR(d.value, 2, 1e-9);
    EXPECT_LT(d.error, 1e-8);
  }
}

}  // namespace
}  // namespace saffron::rewards
