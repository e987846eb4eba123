#include "plugins/comparators/erc/erc.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <cmath>
#include <functional>

// Correlation of returns, against episodes that are written out or drawn.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

double distance(const World& world) {
  return between(metric(Erc({}).compare(world), "ERC/pearson"), 0, 1);
}

struct Moments {
  double weight = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  void add(double p, double a, double b) {
    weight += p;
    x += p * a;
    y += p * b;
    xx += p * a * a;
    yy += p * b * b;
    xy += p * a * b;
  }
  [[nodiscard]] double distance() const {
    const double mx = x / weight, my = y / weight;
    const double rho =
        (xy / weight - mx * my) / std::sqrt((xx / weight - mx * mx) * (yy / weight - my * my));
    return std::sqrt((1 - rho) / 2);
  }
};

MemoryWorld random_world(RandomWorlds& random, std::int64_t S, std::int64_t A, double gamma) {
  MemoryWorld world(random.transitions(S, A), random.probabilities({S}), gamma,
                    {{"a", random.normal({S, A, S})}, {"b", random.normal({S, A, S})}});
  world.policy_ = random.probabilities({S, A});
  return world;
}

// Every episode of so many steps, after which nothing that counts is left: 0.02^7 = 1e-12.
TEST(Erc, EveryEpisodeWrittenOut) {
  RandomWorlds random(71);
  for (int i = 0; i < 5; ++i) {
    MemoryWorld world = random_world(random, 2, 2, 0.02);
    if (i == 0) world.transitions_.dense[1].zero_();  // a terminal state
    const double* tau = world.transitions_.dense.const_data_ptr<double>();
    const double* pi = world.policy_.const_data_ptr<double>();
    const double* R = world.rewards_.const_data_ptr<double>();
    Moments moments;
    const std::function<void(int, int, double, double, double, double)> walk =
        [&](int steps, int s, double p, double discount, double a, double b) {
          const bool ends = tau[4 * s] + tau[4 * s + 1] == 0;
          if (steps == 7 || ends) return moments.add(p, a, b);
          for (int at = 4 * s; at < 4 * s + 4; ++at) {
            if (tau[at] == 0) continue;
            walk(steps + 1, at % 2, p * pi[at / 2] * tau[at], discount * world.gamma_,
                 a + discount * R[at], b + discount * R[8 + at]);
          }
        };
    for (const int s : {0, 1}) walk(0, s, world.mu0_[s].item<double>(), 1, 0, 0);
    EXPECT_NEAR(moments.weight, 1, 1e-12);
    EXPECT_NEAR(distance(world), moments.distance(), 1e-9);
  }
}

// Drawn episodes at a long horizon: five standard errors of rho, about 1 / sqrt(n), apart at most.
TEST(Erc, DrawnEpisodes) {
  RandomWorlds random(72);
  const MemoryWorld world = random_world(random, 4, 3, 0.9);
  const double* tau = world.transitions_.dense.const_data_ptr<double>();
  const double* pi = world.policy_.const_data_ptr<double>();
  const double* mu0 = world.mu0_.const_data_ptr<double>();
  const double* R = world.rewards_.const_data_ptr<double>();
  std::mt19937_64 engine(73);
  const auto draw = [&](const double* p, int count) {
    double u = std::uniform_real_distribution<double>()(engine);
    int i = 0;
    while (i + 1 < count && (u -= p[i]) >= 0) ++i;
    return i;
  };
  Moments moments;
  constexpr int kEpisodes = 20'000;
  for (int episode = 0; episode < kEpisodes; ++episode) {
    int s = draw(mu0, 4);
    double discount = 1, a = 0, b = 0;
    for (int step = 0; step < 150; ++step, discount *= world.gamma_) {
      const int row = 3 * s + draw(pi + 3 * s, 3);
      const int at = 4 * row + draw(tau + 4 * row, 4);
      a += discount * R[at];
      b += discount * R[48 + at];
      s = at % 4;
    }
    moments.add(1, a, b);
  }
  const auto rho = [](double d) { return 1 - 2 * d * d; };
  EXPECT_NEAR(rho(distance(world)), rho(moments.distance()), 5 / std::sqrt(kEpisodes));
}

TEST(Erc, Properties) {
  RandomWorlds random(74);
  for (int i = 0; i < 12; ++i) {
    const std::int64_t S = random.size(), A = random.size();
    const double gamma = random.discount();
    const at::Tensor tau = random.transitions(S, A), R = random.normal({S, A, S});
    const MemoryWorld world(tau, random.probabilities({S}), gamma,
                            {{"R", R},
                             {"scaled", 0.3 * R + 5},
                             {"impossible", R + 1e9 * (tau == 0)},
                             {"shaped", R + random.shaping(tau, gamma)},
                             {"redistributed", R + random.redistribution(tau)},
                             {"-R", -R}});
    const Comparison found = Erc({}).compare(world);
    const PairMatrix& matrix = metric(found, "ERC/pearson");
    const at::Tensor& d = matrix.values;
    EXPECT_LT(largest(d - d.t()), 1e-14);
    EXPECT_EQ(largest(d.diagonal()), 0);
    EXPECT_TRUE((d.unsqueeze(1) <= d.unsqueeze(2) + d.unsqueeze(0) + 1e-11).all().item<bool>());
    EXPECT_LT(between(matrix, 0, 1), 1e-10);
    EXPECT_LT(between(matrix, 0, 2), 1e-10);
    EXPECT_GT(between(matrix, 0, 3), 1e-3);  // the potential where episodes start
    EXPECT_GT(between(matrix, 0, 4), 1e-3);
    EXPECT_NEAR(between(matrix, 0, 5), 1, 1e-12);
    EXPECT_FALSE(certificate(found, "ERC/pearson").sound);
  }
}

TEST(Erc, TheScaleOfTheRewardsDoesNotCount) {
  RandomWorlds random(9);
  const at::Tensor tau = random.transitions(4, 2);
  const at::Tensor a = random.normal({4, 2, 4}), b = random.normal({4, 2, 4});
  const auto between_scaled = [&](double x, double y) {
    const MemoryWorld world(tau, random.probabilities({4}), 0.9, {{"a", x * a}, {"b", y * b}});
    const MemoryWorld plain(tau, world.mu0(), 0.9, {{"a", a}, {"b", b}});
    EXPECT_NEAR(between(metric(Erc({}).compare(world), "ERC/pearson"), 0, 1),
                between(metric(Erc({}).compare(plain), "ERC/pearson"), 0, 1), 1e-12);
  };
  between_scaled(1e305, 1e-305);
  between_scaled(1e200, 3);
}

// One start, one action, no chance: one return.
TEST(Erc, ConstantReturnsAreUndefined) {
  const at::Tensor tau = at::eye(2, at::kDouble).unsqueeze(1);
  const at::Tensor R = at::ones_like(tau);
  at::Tensor start = at::zeros({2}, at::kDouble);
  start[0] = 1;
  const MemoryWorld world(tau, start, 0.9, {{"a", R}, {"b", 2 * R}});
  const PairMatrix matrix = metric(Erc({}).compare(world), "ERC/pearson");
  EXPECT_TRUE(matrix.values.isnan().all().item<bool>());
  EXPECT_EQ(matrix.reasons.at(1),
            "reward 'a' returns the same in every episode: it correlates with nothing");
}

}  // namespace
}  // namespace saffron::plugins
