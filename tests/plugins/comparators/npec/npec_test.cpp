#include "plugins/comparators/npec/npec.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_lstsq.h>

// The nearest shaped and scaled copy of one reward to another.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

Comparison compare(const World& world) { return Npec({}).compare(world); }

TEST(NpecGolden, BothDirections) {
  int compared = 0;
  for (const Value* vector : golden_pairs()) {
    const Value& expected = vector->at("expected");
    if (expected.find("NPEC_1_to_2") == nullptr) continue;
    const Comparison found = compare(golden_world(*vector));
    EXPECT_NEAR(between(metric(found, "NPEC"), 0, 1), expected.at("NPEC_1_to_2").as_real(), 1e-10);
    EXPECT_NEAR(between(metric(found, "NPEC"), 1, 0), expected.at("NPEC_2_to_1").as_real(), 1e-10);
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

// Least squares over potentials and a scale as the definition has them, where no sign binds.
double by_least_squares(const MemoryWorld& world, int from, int to) {
  const std::int64_t S = world.transitions_.states, A = world.transitions_.actions;
  const at::Tensor root =
      (world.D_S.view({S, 1, 1}) * world.D_A.view({1, A, 1}) * world.D_S).sqrt();
  std::vector<at::Tensor> columns;
  for (std::int64_t j = 0; j < S; ++j) {
    const at::Tensor phi = at::zeros({S}, at::kDouble);
    phi[j] = 1;
    const at::Tensor shaping = world.gamma_ * phi.view({1, 1, S}) - phi.view({S, 1, 1});
    columns.push_back((shaping.expand({S, A, S}) * root).reshape({-1, 1}));
  }
  const at::Tensor target = (world.rewards_[to] * root).reshape({-1, 1});
  const auto rest = [&](const at::Tensor& X) {
    const at::Tensor w = std::get<0>(at::linalg_lstsq(X, target, std::nullopt, "gelsd"));
    return std::pair{w, (target - X.matmul(w)).norm().item<double>()};
  };
  const double alone = rest(at::cat(columns, 1)).second;
  columns.push_back((world.rewards_[from] * root).reshape({-1, 1}));
  const auto [w, both] = rest(at::cat(columns, 1));
  return w[S][0].item<double>() > 0 ? both / alone : 1;
}

TEST(Npec, IsTheConstrainedLeastSquares) {
  RandomWorlds random(65);
  int regressed = 0;
  for (int i = 0; i < 20; ++i) {
    const std::int64_t S = random.size(), A = random.size();
    const at::Tensor tau = random.transitions(S, A), R = random.normal({S, A, S});
    MemoryWorld world(
        tau, random.probabilities({S}), random.discount(),
        {{"R", R}, {"x", R + random.normal({S, A, S})}, {"y", random.normal({S, A, S})}});
    world.D_S = random.probabilities({S});
    world.D_A = random.probabilities({A});
    const Comparison found = compare(world);
    for (const int a : {0, 1, 2}) {
      for (const int b : {0, 1, 2}) {
        const double d = between(metric(found, "NPEC"), a, b);
        EXPECT_NEAR(d, by_least_squares(world, a, b), 1e-10);
        regressed += d > 1e-6 && d < 1 ? 1 : 0;
      }
    }
  }
  EXPECT_GT(regressed, 30);
}

TEST(Npec, BlindToShapingAndScaleButNotToRedistribution) {
  RandomWorlds random(66);
  for (int i = 0; i < 20; ++i) {
    const std::int64_t S = random.size(), A = random.size();
    const double gamma = random.discount();
    const at::Tensor tau = random.transitions(S, A), R = random.normal({S, A, S});
    const MemoryWorld world(tau, random.probabilities({S}), gamma,
                            {{"R", R},
                             {"same", 9 * (R + random.shaping(tau, gamma))},
                             {"redistributed", R + random.redistribution(tau)},
                             {"-R", -R}});
    const PairMatrix d = metric(compare(world), "NPEC");
    EXPECT_LT(between(d, 0, 1), 1e-9);
    EXPECT_LT(between(d, 1, 0), 1e-9);
    EXPECT_GT(between(d, 0, 2), 1e-3);
    EXPECT_NEAR(between(d, 0, 3), 1, 1e-12);
  }
}

TEST(Npec, TrivialRewards) {
  const Comparison found = compare(golden_world(golden_vector("G06")));
  EXPECT_EQ(between(metric(found, "NPEC"), 0, 1), 1);  // from shaping alone
  EXPECT_EQ(between(metric(found, "NPEC"), 1, 0), 0);  // to it
  EXPECT_EQ(found.degenerate, std::vector<std::string>{"reward 'R1' is potential shaping alone"});
  EXPECT_FALSE(certificate(found, "NPEC").pseudometric);
}

// Policy orders are opposite.
TEST(Npec, IsUnsound) {
  const Comparison found = compare(golden_world(golden_vector("G08")));
  EXPECT_LT(between(metric(found, "NPEC"), 0, 1), 5e-3);
  EXPECT_FALSE(certificate(found, "NPEC").sound);
}

}  // namespace
}  // namespace saffron::plugins
