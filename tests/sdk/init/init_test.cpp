#include <saffron/error.h>
#include <saffron/init.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace saffron {
namespace {

TEST(GeometricMedian, OfEqualRowsIsThatRow) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    for (const double value : {0.0, 0.1, -3e8}) {
      const at::Tensor rows = at::full({7, 3}, value, at::TensorOptions().dtype(dtype));
      const at::Tensor median = init::geometric_median(rows);
      EXPECT_EQ(median.scalar_type(), dtype);
      EXPECT_TRUE(at::allclose(median, rows[0], 1e-6, 0)) << value;
    }
  }
  const at::Tensor one = Random(1).normal_rows(0, 1, 5);
  EXPECT_TRUE(at::equal(init::geometric_median(one), one[0]));
}

// No step in any direction shortens the sum of distances, and an outlier hardly moves it.
TEST(GeometricMedian, MinimisesTheSumOfDistances) {
  at::Tensor rows = Random(2).normal_rows(0, 60, 4, at::kDouble);
  rows[0].fill_(1e4);
  const auto cost = [&](const at::Tensor& c) {
    return (rows - c).norm(2, at::IntArrayRef{1}).sum().item<double>();
  };
  const at::Tensor median = init::geometric_median(rows);
  const double least = cost(median);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    EXPECT_GT(cost(median + Random(seed).normal_rows(0, 1, 4, at::kDouble)[0]), least);
  }
  EXPECT_LT(median.abs().max().item<double>(), 1);
  EXPECT_GT(rows.mean(0).min().item<double>(), 100);
}

TEST(Centre, IsWhatItsNameSays) {
  const at::Tensor rows = Random(3).normal_rows(0, 9, 4, at::kDouble) + 2;
  EXPECT_TRUE(at::equal(init::centre("zero", rows), at::zeros({4}, at::kDouble)));
  EXPECT_TRUE(at::equal(init::centre("mean", rows), rows.mean(0)));
  EXPECT_TRUE(at::equal(init::centre("geometric_median", rows), init::geometric_median(rows)));
  EXPECT_THROW((void)init::centre("median", rows), Error);
}

}  // namespace
}  // namespace saffron
