#include "plugins/comparators/regret_correlation/statistics.h"

#include <saffron/correlation.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace saffron::plugins {
namespace {

struct Sample {
  std::vector<double> x, y;
  std::vector<std::int64_t> environment;
};

// Groups of different sizes that share a part of their noise.
Sample sample(int groups, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<double> draw;
  Sample out;
  for (int g = 0; g < groups; ++g) {
    const double common = draw(engine);
    for (int i = 0; i < 3 + g % 4; ++i) {
      out.x.push_back(draw(engine) + common);
      out.y.push_back(0.5 * out.x.back() + draw(engine) + 100);
      out.environment.push_back(7 * g);
    }
  }
  return out;
}

double without(const Sample& s, std::int64_t environment) {
  Sample rest;
  for (std::size_t i = 0; i < s.x.size(); ++i) {
    if (s.environment[i] == environment) continue;
    rest.x.push_back(s.x[i]);
    rest.y.push_back(s.y[i]);
  }
  return *pearson(rest.x, rest.y);
}

TEST(Correlation, ErrorIsTheJackknifeOverEnvironments) {
  const int groups = 12;
  const Sample s = sample(groups, 1);
  double mean = 0, square = 0;
  for (int g = 0; g < groups; ++g) mean += without(s, 7 * g) / groups;
  for (int g = 0; g < groups; ++g) square += std::pow(without(s, 7 * g) - mean, 2);
  const Correlation found = correlation(s.x, s.y, s.environment);
  EXPECT_NEAR(*found.rho, *pearson(s.x, s.y), 1e-15);
  EXPECT_NEAR(*found.error, std::sqrt((groups - 1.0) / groups * square), 1e-10);
}

// The spread of the correlation over many samples is what the error says of one.
TEST(Correlation, ErrorIsTheSpread) {
  double mean = 0, square = 0, error = 0;
  const int times = 400;
  for (int i = 0; i < times; ++i) {
    const Sample s = sample(40, static_cast<std::uint64_t>(100 + i));
    const Correlation found = correlation(s.x, s.y, s.environment);
    mean += *found.rho / times;
    square += *found.rho * *found.rho / times;
    error += *found.error / times;
  }
  EXPECT_NEAR(error / std::sqrt(square - mean * mean), 1, 0.12);
}

TEST(Correlation, OneEnvironmentHasNoError) {
  const std::vector<double> x = {1, 2, 4}, y = {1, 3, 2};
  const std::vector<std::int64_t> one = {0, 0, 0};
  EXPECT_TRUE(correlation(x, y, one).rho);
  EXPECT_FALSE(correlation(x, y, one).error);
  EXPECT_FALSE(correlation(std::vector<double>{1, 1, 1}, y, one).rho);
}

TEST(Statistics, ConstantsAreTheExtremeRatios) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  Observations found;
  found.keys = {"A/2-2", "B/2-2"};
  found.rows = {{0, 0, 0, 1, 0.1, 0.5, 0.3, {0.25, 1}},
                {0, 0, 0, 2, 0.2, 0.9, 0.8, {1, kNaN}},
                {1, 1, 0, 1, 0.0, 1e-6, 1e-7, {1e-9, 0.2}},  // too small to count
                {1, 1, 0, 2, 0.3, 0.6, 0.7, {0.5, 0}}};
  const std::vector<Statistics> out = statistics(found);
  EXPECT_EQ(out[0].pairs, 4);
  EXPECT_NEAR(*out[0].L, 0.9, 1e-15);
  EXPECT_NEAR(*out[0].U, 2, 1e-15);
  EXPECT_EQ(out[1].pairs, 3);
  EXPECT_NEAR(*out[1].L, 0.5, 1e-15);
  EXPECT_TRUE(std::isinf(*out[1].U));
  // 2, .9, 1.2
  EXPECT_NEAR(*out[0].variation, std::sqrt(1.94 / 9) / (4.1 / 3), 1e-14);
  EXPECT_FALSE(out[1].variation);
  EXPECT_NEAR(*out[0].rank_w, 1, 1e-14);
  EXPECT_NEAR(*out[0].rank_regret, 0.8, 1e-14);
}

}  // namespace
}  // namespace saffron::plugins
