#include "plugins/comparators/ls_minimal/ls_minimal.h"
#include "plugins/comparators/ls_minimal/normal_equations.h"
#include "plugins/comparators/minimal/minimal.h"
#include "tests/caught.h"
#include "tests/plugins/comparators/sampled/sampled_testing.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_lstsq.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

LsMinimal::Options options(std::vector<std::string> successors) {
  LsMinimal::Options out;
  out.successors = std::move(successors);
  out.estimate = quick({"2-2"});
  return out;
}

Comparison compare(const World& world, const LsMinimal::Options& given, std::uint64_t seed = 1) {
  const FakeContext context(seed);
  return LsMinimal(given, context).compare(world);
}

// ||c1 / ||c1|| - c2 / ||c2|||| of what the best potential leaves, all transitions weighted by p.
double weighted_minimal_potential(const MemoryWorld& world, const at::Tensor& p) {
  const std::int64_t S = p.size(0), A = p.size(1);
  const at::Tensor root = p.sqrt().reshape({-1, 1});
  const at::Tensor one = at::eye(S, at::kDouble);
  const at::Tensor X =
      (world.gamma_ * one.view({1, 1, S, S}) - one.view({S, 1, 1, S})).expand({S, A, S, S});
  const at::Tensor design = X.reshape({-1, S}) * root;
  std::vector<at::Tensor> unit;
  for (const std::int64_t i : {0, 1}) {
    const at::Tensor y = world.rewards_[i].reshape({-1, 1}) * root;
    const at::Tensor w = std::get<0>(at::linalg_lstsq(design, y));
    const at::Tensor c = y - at::matmul(design, w);
    unit.push_back(c / c.norm());
  }
  return (unit[0] - unit[1]).norm().item<double>();
}

MemoryWorld ring_world(RandomWorlds& random) {
  const at::Tensor a = random.normal({5, 3, 5});
  return MemoryWorld(ring(random, 5, 3), uniform({5}), 0.9,
                     {{"a", a}, {"b", a + random.normal({5, 3, 5})}});
}

TEST(LsMinimal, ComesToMinimalPotentialUnderTheData) {
  RandomWorlds random(51);
  const MemoryWorld world = ring_world(random);
  const at::Tensor p = world.transitions_.dense / 15;
  const double truth = weighted_minimal_potential(world, p);
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Comparison found = compare(*drawn(world, 300, 20, seed), options({"drawn"}), seed);
    expect_near_truth(found, "LS_minimal/2-2", 0, 1, truth, 4);
    expect_near_truth(found, "LS_minimal/2-2/replicates", 0, 1, truth, 4);
  }
}

TEST(LsMinimal, AveragedComesToMinimal) {
  RandomWorlds random(52);
  const MemoryWorld world = ring_world(random);
  const Comparison exact = Minimal({.pairs = {"2-2"}, .weights = {"tau"}}).compare(world);
  const double truth = between(metric(exact, "Minimal_tauL2/2-2"), 0, 1);
  ASSERT_GT(std::abs(truth - weighted_minimal_potential(world, world.transitions_.dense / 15)),
            0.1);  // or the test before would do
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Comparison found = compare(*drawn(world, 300, 20, seed), options({"averaged"}), seed);
    expect_near_truth(found, "LS_minimal_averaged/2-2/replicates", 0, 1, truth, 4);
  }
}

// Two rewards that no policy tells apart, each with noise of its own over next states, of sigma times its
// root mean square: single transitions report sqrt(2 sigma^2 / (1 + sigma^2)), means over n what sigma^2 / n
// does, and replicates next to nothing.
TEST(LsMinimal, NoiseInflatesADistanceOfZeroAndReplicatesRepairIt) {
  RandomWorlds random(53);
  const std::int64_t S = 12, A = 4;
  const at::Tensor tau = ring(random, S, A);
  const at::Tensor r = random.normal({S, A, 1}).expand({S, A, S});
  const at::Tensor x = random.redistribution(tau) / 3, y = random.redistribution(tau) / 3;
  const MemoryWorld world(tau, uniform({S}), 0.9, {{"a", r + x}, {"b", r + y}});
  const Comparison exact = Minimal({.pairs = {"2-2"}, .weights = {"tau"}}).compare(world);
  ASSERT_LT(between(metric(exact, "Minimal_tauL2/2-2"), 0, 1), 1e-9);
  const auto inflated = [](double variance) { return std::sqrt(2 * variance / (1 + variance)); };
  const double single = weighted_minimal_potential(world, tau / static_cast<double>(S * A));
  const double sigma2 = 1 / (2 / (single * single) - 1);
  EXPECT_GT(sigma2, 0.5);
  constexpr int kSeeds = 8;
  double drawn_mean = 0, plain = 0, repaired = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    LsMinimal::Options given = options({"drawn", "averaged"});
    given.estimate.resamples = 100;
    const Comparison found = compare(*drawn(world, 200, 10, seed), given, seed);
    drawn_mean += between(metric(found, "LS_minimal/2-2"), 0, 1) / kSeeds;
    plain += between(metric(found, "LS_minimal_averaged/2-2"), 0, 1) / kSeeds;
    repaired += between(metric(found, "LS_minimal_averaged/2-2/replicates"), 0, 1) / kSeeds;
  }
  EXPECT_NEAR(drawn_mean, single, 0.02);
  EXPECT_NEAR(plain, inflated(sigma2 / (2000.0 / (S * A))), 0.04);
  EXPECT_LT(repaired, 0.5 * plain);
  const Comparison found = compare(*drawn(world, 50, 10, 1), options({"averaged"}));
  const PairMatrix& low = metric(found, "LS_minimal_averaged/2-2/low");
  EXPECT_TRUE(std::isnan(between(low, 0, 1)));
  EXPECT_EQ(low.reasons.at(1).find("resamples repeat draws"), 0U);
}

TEST(LsMinimal, ShapingOfTheSpanIsRemoved) {
  RandomWorlds random(54);
  at::Tensor tau = random.transitions(6, 2);
  tau[4].zero_();  // terminal
  const at::Tensor R = random.normal({6, 2, 6});
  at::Tensor phi = 20 * random.normal({6});
  phi[4] = 0;
  const auto shaping = [&](const at::Tensor& potential) {
    return (0.9 * potential.unsqueeze(0) - potential.unsqueeze(1)).unsqueeze(1).expand({6, 2, 6});
  };
  at::Tensor wrong = phi.clone();
  wrong[4] = 30;  // what an episode's end may not have
  const MemoryWorld world(tau, uniform({6}), 0.9,
                          {{"R", R},
                           {"shaped", R + shaping(phi)},
                           {"alone", shaping(phi)},
                           {"wrong", R + shaping(wrong)}});
  const Comparison found = compare(*drawn(world, 200, 10, 2), options({"drawn"}));
  for (const char* key : {"LS_minimal/2-2", "LS_minimal/2-2/replicates"}) {
    EXPECT_LT(between(metric(found, key), 0, 1), 1e-9) << key;
    EXPECT_GT(between(metric(found, key), 0, 3), 0.1) << key;
    EXPECT_NEAR(between(metric(found, key), 0, 2), 1, 1e-14) << key;
  }
  ASSERT_EQ(found.degenerate.size(), 1U);
  EXPECT_EQ(found.degenerate[0],
            "reward 'alone' is shaping alone, by a potential of these features");
}

// A continuous world with a linear and quadratic potential, and with one that is no sum of features.
struct ShapedToy final : World, SampledWorld {
  ShapedToy() {
    const Random random(3);
    const std::int64_t N = 3000;
    s = random.fork("s").normal_rows(0, N, 3, at::kDouble);
    a = random.fork("a").normal_rows(0, N, 1, at::kDouble);
    next = 0.8 * s + a + 0.3 * random.fork("n").normal_rows(0, N, 3, at::kDouble);
    ends = at::zeros({N}, at::kBool);
    episode = at::arange(N, at::kLong).div(10, "floor");
    description = {.description = "toy", .rewards = {"r", "in the span", "sine", "alone"}};
  }
  const WorldInfo& info() const override { return description; }
  double gamma() const override { return 0.95; }
  const at::Tensor& states() const override { return s; }
  const at::Tensor& actions() const override { return a; }
  const at::Tensor& next_states() const override { return next; }
  const at::Tensor& terminal() const override { return ends; }
  const at::Tensor& episodes() const override { return episode; }
  at::Tensor evaluate(std::int64_t i, const at::Tensor& x, const at::Tensor& u,
                      const at::Tensor& y) const override {
    const auto quadratic = [](const at::Tensor& z) {
      return 50 + 3 * z.select(1, 0) + 2 * z.square().sum(1);
    };
    const auto sine = [](const at::Tensor& z) { return 3 * (0.7 * z.sum(1)).sin(); };
    const at::Tensor r = u.select(1, 0) - (x.select(1, 1) - 1).abs();
    if (i == 1) return r + 0.95 * quadratic(y) - quadratic(x);
    if (i == 2) return r + 0.95 * sine(y) - sine(x);
    if (i == 3) return 0.95 * quadratic(y) - quadratic(x);
    return r;
  }
  WorldInfo description;
  at::Tensor s, a, next, ends, episode;
};

TEST(LsMinimal, RandomFeaturesOfContinuousStates) {
  LsMinimal::Options narrow = options({"drawn"}), wide = narrow;
  narrow.width = 4;
  wide.width = 256;
  const ShapedToy toy;
  const Comparison few = compare(toy, narrow), many = compare(toy, wide);
  EXPECT_LT(between(metric(few, "LS_minimal/2-2"), 0, 1), 1e-6);
  EXPECT_LT(between(metric(many, "LS_minimal/2-2"), 0, 1), 1e-6);
  const double rough = between(metric(few, "LS_minimal/2-2"), 0, 2);
  const double fine = between(metric(many, "LS_minimal/2-2"), 0, 2);
  EXPECT_GT(rough, 0.7);
  EXPECT_LT(fine, 0.6 * rough);
  EXPECT_EQ(few.degenerate.size(), 1U);
}

TEST(LsMinimal, PureNoiseIsSaid) {
  RandomWorlds random(55);
  const at::Tensor tau = ring(random, 4, 2);
  const MemoryWorld world(tau, uniform({4}), 0.9,
                          {{"noise", random.redistribution(tau)}, {"r", random.normal({4, 2, 4})}});
  const Comparison found = compare(*drawn(world, 100, 10, 4), options({"averaged"}));
  const PairMatrix& matrix = metric(found, "LS_minimal_averaged/2-2/replicates");
  EXPECT_TRUE(std::isnan(between(matrix, 0, 1)));
  EXPECT_EQ(
      matrix.reasons.at(1).find("too few samples: <c, c'> of two replicates of reward 'noise' is "),
      0U)
      << matrix.reasons.at(1);
  EXPECT_EQ(between(matrix, 1, 1), 0);
}

TEST(LsMinimal, WhatIsRefused) {
  RandomWorlds random(56);
  const MemoryWorld world = ring_world(random);
  const auto refused = [&](const World& sample, const LsMinimal::Options& given) {
    return std::string(test::caught([&] { compare(sample, given); }).what());
  };
  EXPECT_NE(refused(*drawn(world, 3, 10, 1), options({"drawn"}))
                .find("3 episodes cannot be split into folds = 10\n  help: draw more episodes"),
            std::string::npos);
  EXPECT_NE(refused(*drawn(world, 1, 60, 1), options({"drawn"}))
                .find("1 episode cannot be split into folds = 10\n  help: say where episodes end"),
            std::string::npos);
  LsMinimal::Options wide = options({"drawn"});
  wide.folds = 6;
  EXPECT_NE(refused(*toy_sampled_world(), wide).find("to fit a potential of 519 features"),
            std::string::npos);
  LsMinimal::Options small = wide;
  small.memory = 1;
  small.width = 4096;
  EXPECT_NE(refused(ShapedToy(), small).find("more than memory = 1"), std::string::npos);
  LsMinimal::Options narrow = options({"averaged"});
  narrow.width = 1;  // nothing comes twice
  EXPECT_NE(refused(ShapedToy(), narrow).find("that came twice"), std::string::npos);
}

// ---- the systems ---------------------------------------------------------------------------------

TEST(NormalEquations, AveragedAreProductsOfDifferentDraws) {
  RandomWorlds random(57);
  const at::Tensor X = random.normal({9, 3}), r = random.normal({2, 9});
  const std::int64_t cell_of[] = {0, 1, 0, 2, 1, 1, 3, 0, 1};  // 2 and 3 come once
  at::Tensor cell = at::zeros({9}, at::kLong);
  std::copy(std::begin(cell_of), std::end(cell_of), cell.mutable_data_ptr<std::int64_t>());
  at::Tensor G = at::zeros({3, 3}, at::kDouble), h = at::zeros({2, 3}, at::kDouble);
  for (int j = 0; j < 9; ++j) {
    for (int k = 0; k < 9; ++k) {
      if (j == k || cell_of[j] != cell_of[k]) continue;
      const double share = cell_of[j] == 0 ? 1.0 / 2 : 1.0 / 3;
      G += share * X[j].unsqueeze(1) * X[k].unsqueeze(0);
      h += share * r.select(1, j).unsqueeze(1) * X[k].unsqueeze(0);
    }
  }
  const NormalEquations found = averaged_equations(X, r, cell, 4);
  EXPECT_LT(largest(found.gram - G), 1e-13);
  EXPECT_LT(largest(found.cross - h), 1e-13);
  EXPECT_EQ(found.rows, 7);
}

// An indefinite system: what its negative eigenvalue says is chance is left alone, the rest solved exactly.
TEST(NormalEquations, DirectionsThatAreNotKnownStayAtZero) {
  RandomWorlds random(59);
  const at::Tensor Q = std::get<0>(at::linalg_qr(random.normal({4, 4})));
  const at::Tensor values = at::tensor({9.0, 4.0, 0.3, -0.5}, at::kDouble);
  const NormalEquations found{at::matmul(Q * values, Q.t()), random.normal({2, 4}), 10};
  const NormalEquations::Solution solved = found.solve(1e-9);
  EXPECT_EQ(solved.unknown, 2);
  const at::Tensor along = at::matmul(solved.w, Q), wanted = -at::matmul(found.cross, Q) / values;
  EXPECT_LT(largest(along.slice(1, 0, 2) - wanted.slice(1, 0, 2)), 1e-7);
  EXPECT_LT(largest(along.slice(1, 2)), 1e-12);
}

// A state that was met a few times in a thousand steps does not cost the others their potentials.
TEST(LsMinimal, ARareState) {
  RandomWorlds random(60);
  at::Tensor tau = at::zeros({7, 2, 7}, at::kDouble);
  for (std::int64_t s = 0; s < 7; ++s) {
    for (std::int64_t a = 0; a < 2; ++a) {
      tau[s][a][(s + 1 + a) % 6] = 0.6;
      tau[s][a][(s + 3 + a) % 6] = 0.398;
      tau[s][a][6] = 0.002;
    }
  }
  const at::Tensor R = random.normal({7, 2, 7});
  const MemoryWorld world(tau, at::tensor({1., 0., 0., 0., 0., 0., 0.}, at::kDouble), 0.9,
                          {{"a", R}, {"b", R + random.normal({7, 2, 7})}});
  for (const std::uint64_t seed : {1, 2, 3}) {
    const Comparison found = compare(*drawn(world, 80, 20, seed), options({"averaged"}));
    const double d = between(metric(found, "LS_minimal_averaged/2-2"), 0, 1);
    EXPECT_GT(d, 0.2);
    EXPECT_LT(d, 1.5);
  }
}

TEST(NormalEquations, TheRidgeLeavesLittle) {
  RandomWorlds random(58);
  const at::Tensor X = random.normal({50, 4}), r = random.normal({2, 50});
  const at::Tensor exact = -std::get<0>(at::linalg_lstsq(X, r.t())).t();
  EXPECT_LT(largest(drawn_equations(X, r).solve(1e-3).w - exact), 1e-6);
  // Without a direction in the data there is none in the answer, and no error.
  const at::Tensor none = at::cat({X, at::zeros({50, 1}, at::kDouble)}, 1);
  EXPECT_EQ(largest(drawn_equations(none, r).solve(1e-8).w.select(1, 4)), 0);
  const Error empty =
      test::caught([&] { static_cast<void>(drawn_equations(at::zeros_like(X), r).solve(1e-8)); });
  EXPECT_EQ(empty.kind(), ErrorKind::numeric);
}

}  // namespace
}  // namespace saffron::plugins
