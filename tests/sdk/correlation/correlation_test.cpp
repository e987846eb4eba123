#include <saffron/correlation.h>

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace saffron {
namespace {

using Numbers = std::vector<double>;

TEST(AverageRanks, EqualValuesShareTheMean) {
  EXPECT_EQ(average_ranks(Numbers{3, 1, 2}), (Numbers{3, 1, 2}));
  EXPECT_EQ(average_ranks(Numbers{5, 1, 5, 0, 5}), (Numbers{4, 2, 4, 1, 4}));
  EXPECT_EQ(average_ranks(Numbers{7, 7}), (Numbers{1.5, 1.5}));
  EXPECT_TRUE(average_ranks(Numbers{}).empty());
}

// The rank is 1 + how many are less + half of how many others are equal.
TEST(AverageRanks, AgreeWithCounting) {
  std::mt19937_64 engine(1);
  std::uniform_int_distribution<int> draw(0, 20);
  for (int round = 0; round < 20; ++round) {
    Numbers x(50);
    for (double& each : x) each = draw(engine);
    const Numbers ranks = average_ranks(x);
    for (std::size_t i = 0; i < x.size(); ++i) {
      double expected = 0.5;
      for (const double other : x) expected += other < x[i] ? 1 : other == x[i] ? 0.5 : 0;
      EXPECT_EQ(ranks[i], expected);
    }
  }
}

TEST(Pearson, KnownValues) {
  EXPECT_NEAR(*pearson(Numbers{1, 2, 3}, Numbers{2, 4, 6}), 1, 1e-15);
  EXPECT_NEAR(*pearson(Numbers{1, 2, 3}, Numbers{3, 2, 1}), -1, 1e-15);
  EXPECT_NEAR(*pearson(Numbers{1, 2, 3, 4}, Numbers{1, 3, 2, 4}), 0.8, 1e-15);
  EXPECT_NEAR(*spearman(Numbers{1, 2, 3, 400}, Numbers{1, 30, 2, 40}), 0.8, 1e-15);
  EXPECT_NEAR(*spearman(Numbers{1, 1, 2}, Numbers{1, 2, 3}), std::sqrt(0.75), 1e-15);
}

TEST(Pearson, StaysWithinItsRangeAndFarFromZero) {
  std::mt19937_64 engine(2);
  std::normal_distribution<double> draw;
  for (int round = 0; round < 100; ++round) {
    Numbers x(5), y(5), far(5);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = draw(engine);
      y[i] = 0.3 * x[i] + draw(engine);
      far[i] = 1e6 + x[i];
    }
    const double rho = *pearson(x, y);
    EXPECT_LE(std::abs(rho), 1);
    EXPECT_NEAR(*pearson(far, y), rho, 1e-9);
    EXPECT_LE(*pearson(x, x), 1);
    EXPECT_NEAR(*pearson(x, x), 1, 1e-15);
  }
}

TEST(Pearson, ConstantsCorrelateWithNothing) {
  EXPECT_FALSE(pearson(Numbers{0.1, 0.1, 0.1}, Numbers{1, 2, 3}));
  EXPECT_FALSE(pearson(Numbers{1, 2, 3}, Numbers{0.3, 0.3, 0.3}));
  EXPECT_FALSE(pearson(Numbers{1}, Numbers{2}));
  EXPECT_FALSE(pearson(Numbers{}, Numbers{}));
  EXPECT_FALSE(spearman(Numbers{2, 2}, Numbers{1, 2}));
}

}  // namespace
}  // namespace saffron
