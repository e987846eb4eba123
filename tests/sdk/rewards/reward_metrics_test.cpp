#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_metrics.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace saffron::rewards {
namespace {

using namespace saffron::testing;

constexpr Norm kNorms[] = {Norm::one,          Norm::two,          Norm::inf,
                           Norm::weighted_one, Norm::weighted_two, Norm::weighted_inf};

TEST(Measures, TextsRoundTrip) {
  const std::vector<Measure> all =
      parse_measures({"all", "pearson-uniform", "pearson-reachable"}, true);
  EXPECT_EQ(all.size(), 7u * 6 + 4);
  for (const Measure& measure : all) EXPECT_EQ(parse_measure(measure.text()), measure);
  EXPECT_EQ(parse_measure("0-weighted_2").text(), "0-weighted_2");
  EXPECT_EQ(parse_measure("weighted_1-inf").normalise, Norm::weighted_one);
  EXPECT_EQ(parse_measure("weighted_1-inf").distance, Norm::inf);
}

TEST(Measures, Refusals) {
  const auto message = [](std::vector<std::string> texts) -> std::string {
    try {
      (void)parse_measures(texts, false);
    } catch (const Error& error) {
      return error.message();
    }
    return "accepted";
  };
  EXPECT_EQ(message({"3-2"}), "'3-2' is not a distance: '3' is not a norm");
  EXPECT_EQ(message({"2-two"}), "'2-two' is not a distance: 'two' is not a norm");
  EXPECT_EQ(message({"angles"}), "'angles' is not a distance");
  EXPECT_EQ(message({"2-none"}), "'2-none' measures with no norm");
  EXPECT_EQ(message({"2-2", "angle", "2-2"}), "the distance '2-2' is listed twice");
  EXPECT_EQ(message({"all", "1-1"}), "'1-1' is listed beside \"all\", which has it");
  EXPECT_EQ(message({"all", "all"}), "the distance 'all' is listed twice");
  EXPECT_EQ(message({"pearson-uniform"}), "'pearson-uniform' is not offered here");
  EXPECT_EQ(check_measures({}, true), "no distance is listed");
  EXPECT_EQ(check_measures({"2-2"}, true), "");
}

TEST(Measures, WhatTheyUseAndIgnore) {
  EXPECT_FALSE(parse_measure("2-inf").weighted());
  EXPECT_TRUE(parse_measure("2-weighted_1").weighted());
  EXPECT_TRUE(parse_measure("weighted_inf-1").weighted());
  EXPECT_TRUE(parse_measure("pearson-reachable").weighted());
  EXPECT_FALSE(parse_measure("pearson-uniform").weighted());
  EXPECT_FALSE(parse_measure("none-2").scale_invariant());
  EXPECT_TRUE(parse_measure("2-2").scale_invariant());
  EXPECT_TRUE(parse_measure("angle").scale_invariant());
}

// By loops over the cube.
double naive(Norm kind, const at::Tensor& cube, const at::Tensor& tau) {
  const at::Tensor x = cube.contiguous(), t = tau.contiguous();
  const double* px = x.const_data_ptr<double>();
  const double* pt = t.const_data_ptr<double>();
  double sum = 0, most = 0;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const double size = std::abs(px[i]);
    switch (kind) {
      case Norm::none: break;
      case Norm::one: sum += size; break;
      case Norm::two: sum += size * size; break;
      case Norm::inf: most = std::max(most, size); break;
      case Norm::weighted_one: sum += pt[i] * size; break;
      case Norm::weighted_two: sum += pt[i] * size * size; break;
      case Norm::weighted_inf: most = std::max(most, pt[i] * size); break;
    }
  }
  const bool root = kind == Norm::two || kind == Norm::weighted_two;
  return most + (root ? std::sqrt(sum) : sum);
}

TEST(Norms, AgreeWithLoopsOverTheCube) {
  RandomWorlds random(1);
  for (int i = 0; i < 10; ++i) {
    const std::int64_t S = random.size(), A = random.size();
    const at::Tensor tau = random.transitions(S, A);
    const at::Tensor cube = random.normal({S, A, S}), flat = random.normal({S, A, 1});
    for (const Norm kind : kNorms) {
      EXPECT_NEAR(norm(kind, cube.reshape({-1}), Cells::of(tau, false)).item<double>(),
                  naive(kind, cube, tau), 1e-12);
      EXPECT_NEAR(norm(kind, flat.reshape({-1}), Cells::of(tau, true)).item<double>(),
                  naive(kind, flat.expand({S, A, S}), tau), 1e-12);
    }
  }
}

TEST(Norms, SquaresNeitherOverflowNorUnderflow) {
  const Cells cells = Cells::of(uniform({2, 1, 2}), false);
  const at::Tensor x = at::full({4}, 3.0, at::kDouble);
  EXPECT_NEAR(norm(Norm::two, x * 1e200, cells).item<double>() / 1e200, 6, 1e-12);
  EXPECT_NEAR(norm(Norm::two, x * 1e-250, cells).item<double>() / 1e-250, 6, 1e-12);
  EXPECT_EQ(norm(Norm::two, x * 0, cells).item<double>(), 0);
}

// No x exceeds the ratio, and some x attains it: one axis, all ones, 1 / weight or b / a.
TEST(Norms, LargestRatioIsAttainedAndNotExceeded) {
  RandomWorlds random(2);
  for (int i = 0; i < 10; ++i) {
    const bool constant = i % 2 == 0;
    const std::int64_t S = random.size(), A = random.size();
    const at::Tensor tau = random.probabilities({S, A, S});
    const Cells cells = Cells::of(tau, constant);
    const std::int64_t N = cells.count.size(0);
    const at::Tensor w[] = {at::ones_like(cells.count), cells.count, cells.mass, cells.peak};
    std::vector<at::Tensor> candidates = {random.normal({100, N}), at::eye(N, at::kDouble)};
    for (const at::Tensor& a : w) {
      candidates.push_back((1 / a).unsqueeze(0));
      for (const at::Tensor& b : w) candidates.push_back((b / a).unsqueeze(0));
    }
    for (const Norm n : kNorms) {
      for (const Norm m : kNorms) {
        double best = 0;
        for (const at::Tensor& x : candidates) {
          best = std::max(best, (norm(m, x, cells) / norm(n, x, cells)).max().item<double>());
        }
        EXPECT_NEAR(largest_ratio(n, m, cells) / best, 1, 1e-12)
            << static_cast<int>(n) << " " << static_cast<int>(m);
      }
    }
  }
}

TEST(Norms, RatioToASeminormIsInfinite) {
  const at::Tensor tau = tensor(from_json("[[[1, 0]], [[0, 1]]]", ""));
  const Cells cells = Cells::of(tau, false);
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const Norm n : {Norm::weighted_one, Norm::weighted_two, Norm::weighted_inf}) {
    EXPECT_EQ(largest_ratio(n, Norm::two, cells), kInf);
    EXPECT_EQ(largest_ratio(n, n, cells), 1);
  }
}

// Two states; the second is not reached from the first.
MemoryWorld chain(std::vector<std::pair<std::string, at::Tensor>> rewards) {
  return MemoryWorld(tensor(from_json("[[[1, 0]], [[0.5, 0.5]]]", "")),
                     tensor(from_json("[1, 0]", "")), 0.5, std::move(rewards));
}

TEST(WorldHelpers, ReachableStates) {
  MemoryWorld world = chain({{"r", at::zeros({2, 1, 2}, at::kDouble)}});
  EXPECT_TRUE(reachable_states(world)[0].item<bool>());
  EXPECT_FALSE(reachable_states(world)[1].item<bool>());
  world.mu0_ = tensor(from_json("[0, 1]", ""));
  EXPECT_TRUE(reachable_states(world).all().item<bool>());
}

// V(0) = 1 / (1 - 1/2) = 2; V(1) = (1 + 3) / 2 + 1/2 (V(0) + V(1)) / 2 = 10/3.
TEST(WorldHelpers, PolicyEvaluation) {
  const at::Tensor R = tensor(from_json("[[[1, 9]], [[1, 3]]]", "")).unsqueeze(0);
  const MemoryWorld world = chain({{"r", R[0]}});
  const at::Tensor rbar = expected_rewards(world.transitions_.dense, R);
  EXPECT_EQ(rbar[0][0][0].item<double>(), 1);
  EXPECT_EQ(rbar[0][1][0].item<double>(), 2);
  const at::Tensor V = PolicyEvaluation(world).values(rbar);
  EXPECT_NEAR(V[0][0].item<double>(), 2, 1e-14);
  EXPECT_NEAR(V[0][1].item<double>(), 10.0 / 3, 1e-14);
}

TEST(WorldHelpers, SparseTransitionsAreRefused) {
  MemoryWorld world = chain({{"r", at::zeros({2, 1, 2}, at::kDouble)}});
  EXPECT_EQ(&dense_tabular(world, "x"), static_cast<TabularWorld*>(&world));
  world.transitions_.dense.reset();
  try {
    (void)dense_tabular(world, "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(
        error.message(),
        "x needs the rewards of impossible transitions, which sparse transitions leave out: a "
        "test's world");
    EXPECT_NE(error.help().find("val, minimal, span and regret take sparse transitions"),
              std::string::npos);
    EXPECT_NE(error.help().find("transitions = \"dense\""), std::string::npos);
  }
}

// Rounding noise counts as 0 beside what was summed; the same number alone does not.
TEST(StandardisedRewards, ZeroIsRelative) {
  const MemoryWorld world =
      chain({{"a", at::zeros({2, 1, 2}, at::kDouble)}, {"b", at::zeros({2, 1, 2}, at::kDouble)}});
  const at::Tensor values = tensor(from_json("[[[[1e-12]], [[0]]], [[[0]], [[1]]]]", ""));
  for (const bool noise : {true, false}) {
    const at::Tensor scale = noise ? at::ones_like(values) : values.abs();
    const Distances distances(world, {"X", values, scale}, {"a", "b"},
                              {parse_measure("2-2"), parse_measure("angle")});
    const std::vector<std::string> trivial = distances.trivial();
    EXPECT_EQ(trivial, noise ? std::vector<std::string>{"a"} : std::vector<std::string>{});
    EXPECT_NEAR(distances.between(0, 1)[0], noise ? 1 : std::numbers::sqrt2, 1e-14);
    EXPECT_NEAR(distances.between(0, 1)[1], std::numbers::pi / 2, 1e-14);
  }
}

}  // namespace
}  // namespace saffron::rewards
