#include <saffron/error.h>
#include <saffron/ops.h>
#include <saffron/random.h>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

namespace {

using saffron::Random;
using saffron::ops::assign_maximum;

// The sum that an assignment reaches; fails unless it names each column at most once.
double value_of(const at::Tensor& score, const at::Tensor& assignment) {
  EXPECT_EQ(assignment.sizes(), (at::IntArrayRef{score.size(0)}));
  EXPECT_EQ(assignment.scalar_type(), at::kLong);
  std::set<std::int64_t> columns;
  double sum = 0;
  for (std::int64_t i = 0; i < score.size(0); ++i) {
    const auto j = assignment[i].item<std::int64_t>();
    EXPECT_GE(j, 0);
    EXPECT_LT(j, score.size(1));
    EXPECT_TRUE(columns.insert(j).second) << "column " << j << " twice";
    sum += score[i][j].item<double>();
  }
  return sum;
}

double best_by_brute_force(const at::Tensor& score) {
  std::vector<std::int64_t> columns(static_cast<std::size_t>(score.size(1)));
  std::iota(columns.begin(), columns.end(), 0);
  const auto s = score.accessor<double, 2>();
  double best = -std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (std::int64_t i = 0; i < score.size(0); ++i)
      sum += s[i][columns[static_cast<std::size_t>(i)]];
    best = std::max(best, sum);
  } while (std::next_permutation(columns.begin(), columns.end()));
  return best;
}

double greedy(const at::Tensor& score) {
  at::Tensor left = score.clone();
  double sum = 0;
  for (std::int64_t i = 0; i < score.size(0); ++i) {
    const auto flat = left.argmax().item<std::int64_t>();
    const std::int64_t row = flat / score.size(1), column = flat % score.size(1);
    sum += score[row][column].item<double>();
    left.select(0, row).fill_(-1e300);
    left.select(1, column).fill_(-1e300);
  }
  return sum;
}

TEST(AssignMaximum, EqualsBruteForce) {
  for (std::int64_t n = 0; n <= 7; ++n) {
    for (std::int64_t m = std::max<std::int64_t>(n, 1); m <= 7; ++m) {
      for (std::uint64_t trial = 0; trial < 8; ++trial) {
        const Random random = Random(trial).fork(static_cast<std::uint64_t>(n * 8 + m));
        at::Tensor score = random.normal_rows(0, n, m, at::kDouble);
        if (trial % 2 == 1) score = score.round();  // ties
        if (n == 0) {
          EXPECT_EQ(assign_maximum(score).numel(), 0);
          continue;
        }
        EXPECT_NEAR(value_of(score, assign_maximum(score)), best_by_brute_force(score), 1e-12)
            << n << " x " << m << ", trial " << trial;
      }
    }
  }
}

TEST(AssignMaximum, IsNeverBelowGreedy) {
  for (std::uint64_t trial = 0; trial < 6; ++trial) {
    const std::int64_t n = 40, m = 40 + static_cast<std::int64_t>(trial) * 9;
    const at::Tensor score = Random(trial).uniform_rows(0, n, m, at::kDouble);
    EXPECT_GE(value_of(score, assign_maximum(score)), greedy(score) - 1e-12);
  }
}

// No exchange of two rows' columns, and no move to an unused column, can improve an optimum.
TEST(AssignMaximum, CannotBeImprovedByExchange) {
  const at::Tensor a = Random(1).normal_rows(0, 150, 20, at::kDouble);
  const at::Tensor b = Random(2).normal_rows(0, 180, 20, at::kDouble);
  const at::Tensor score = a.mm(b.t());
  const at::Tensor assignment = assign_maximum(score);
  const auto s = score.accessor<double, 2>();
  const auto c = assignment.accessor<std::int64_t, 1>();
  std::set<std::int64_t> used;
  for (std::int64_t i = 0; i < 150; ++i) used.insert(c[i]);
  for (std::int64_t i = 0; i < 150; ++i) {
    for (std::int64_t k = 0; k < i; ++k) {
      EXPECT_GE(s[i][c[i]] + s[k][c[k]], s[i][c[k]] + s[k][c[i]] - 1e-9);
    }
    for (std::int64_t j = 0; j < 180; ++j) {
      if (!used.contains(j)) {
        EXPECT_GE(s[i][c[i]], s[i][j] - 1e-9);
      }
    }
  }
}

TEST(AssignMaximum, FindsAPlantedPermutation) {
  const std::int64_t n = 64;
  const saffron::Permutation permutation(Random(3), n);
  at::Tensor score = Random(4).uniform_rows(0, n, n, at::kFloat);
  for (std::int64_t i = 0; i < n; ++i) {
    score[i][static_cast<std::int64_t>(permutation(static_cast<std::uint64_t>(i)))] = 2.0f;
  }
  const at::Tensor assignment = assign_maximum(score);
  for (std::int64_t i = 0; i < n; ++i) {
    EXPECT_EQ(assignment[i].item<std::int64_t>(),
              static_cast<std::int64_t>(permutation(static_cast<std::uint64_t>(i))));
  }
}

TEST(AssignMaximum, TiesAndExtremesEnd) {
  const auto doubles = at::TensorOptions().dtype(at::kDouble);
  EXPECT_EQ(
      value_of(at::full({30, 30}, 0.1, doubles), assign_maximum(at::full({30, 30}, 0.1, doubles))),
      value_of(at::full({30, 30}, 0.1, doubles), at::arange(30)));
  const at::Tensor wide = (at::eye(20, 33, doubles) - 0.5) * 1e200;
  EXPECT_NEAR(value_of(wide, assign_maximum(wide)) / 1e200, 10, 1e-9);
  // Rows that differ by less than rounding of their duals.
  const at::Tensor near = 1.0 + Random(5).uniform_rows(0, 60, 60, at::kDouble) * 1e-15;
  EXPECT_GE(value_of(near, assign_maximum(near)), greedy(near) - 1e-12);
  const at::Tensor levels = (Random(6).uniform_rows(0, 100, 100, at::kDouble) * 3).floor();
  EXPECT_GE(value_of(levels, assign_maximum(levels)), greedy(levels));
}

TEST(AssignMaximum, RefusesBadScores) {
  EXPECT_THROW((void)assign_maximum(at::eye(3).slice(1, 0, 2)), saffron::Error);
  EXPECT_THROW((void)assign_maximum(at::arange(3)), saffron::Error);
  at::Tensor score = at::eye(3);
  score[1][1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW((void)assign_maximum(score), saffron::Error);
}

}  // namespace
