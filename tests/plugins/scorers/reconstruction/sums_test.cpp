#include "tests/plugins/scorers/scorer_testing.h"

#include <saffron/random.h>
#include <saffron/reconstruction_metrics.h>

#include <ATen/ops/cat.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

// The sums behind every reconstruction metric, against two-pass loops in float64.

namespace saffron {
namespace {

using metrics::ReconstructionSums;
using metrics::row_explained_variance;

struct Reference {
  double fvu, fvu_uncentred, mse, cosine, norm_ratio, relative_bias, per_row;
};

Reference reference(const at::Tensor& x_any, const at::Tensor& y_any) {
  const at::Tensor x = x_any.to(at::kDouble).contiguous(), y = y_any.to(at::kDouble).contiguous();
  const std::int64_t n = x.size(0), d = x.size(1);
  const auto a = x.accessor<double, 2>(), b = y.accessor<double, 2>();
  std::vector<long double> mean(static_cast<std::size_t>(d));
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t i = 0; i < d; ++i) mean[static_cast<std::size_t>(i)] += a[r][i];
  }
  for (long double& m : mean) m /= n;
  long double error = 0, spread = 0, norm = 0, yy_sum = 0, xy_sum = 0;
  long double cosine = 0, ratio = 0, rows = 0;
  for (std::int64_t r = 0; r < n; ++r) {
    long double e = 0, s = 0, xx = 0, yy = 0, xy = 0;
    for (std::int64_t i = 0; i < d; ++i) {
      const long double m = mean[static_cast<std::size_t>(i)];
      e += (a[r][i] - b[r][i]) * (a[r][i] - b[r][i]);
      s += (a[r][i] - m) * (a[r][i] - m);
      xx += a[r][i] * a[r][i];
      yy += b[r][i] * b[r][i];
      xy += a[r][i] * b[r][i];
    }
    error += e;
    spread += s;
    norm += xx;
    yy_sum += yy;
    xy_sum += xy;
    cosine += xy / std::sqrt(xx * yy);
    ratio += std::sqrt(yy / xx);
    rows += 1 - e / s;
  }
  const auto out = [](long double v) { return static_cast<double>(v); };
  return {out(error / spread), out(error / norm),    out(error / n), out(cosine / n),
          out(ratio / n),      out(yy_sum / xy_sum), out(rows / n)};
}

void expect_equal(const ReconstructionSums& sums, const Reference& r, double tolerance) {
  EXPECT_NEAR(sums.fvu(), r.fvu, tolerance * r.fvu);
  EXPECT_NEAR(sums.fvu_uncentred(), r.fvu_uncentred, tolerance * r.fvu_uncentred);
  EXPECT_NEAR(sums.mse(), r.mse, tolerance * r.mse);
  EXPECT_NEAR(sums.cosine(), r.cosine, tolerance);
  EXPECT_NEAR(sums.norm_ratio(), r.norm_ratio, tolerance);
  EXPECT_NEAR(sums.relative_bias(), r.relative_bias, tolerance);
}

struct Data {
  at::Tensor x, y;
};

// Correlated rows whose mean drifts, so that a batch's mean is not the mean; y misses a part of x.
Data data(std::int64_t rows, std::int64_t width, at::ScalarType dtype, double offset) {
  const Random random(11);
  const at::Tensor drift = at::linspace(-2, 2, rows, at::kDouble).unsqueeze(1);
  const at::Tensor x = random.fork("x").normal_rows(0, rows, width, at::kDouble) + drift + offset;
  const at::Tensor y =
      0.8 * (x - offset) + offset + 0.3 * random.fork("y").normal_rows(0, rows, width, at::kDouble);
  return {x.to(dtype), y.to(dtype)};
}

ReconstructionSums in_batches(const Data& d, std::int64_t batch) {
  ReconstructionSums sums(d.x.size(1));
  for (std::int64_t begin = 0; begin < d.x.size(0); begin += batch) {
    sums.add(d.x.slice(0, begin, begin + batch), d.y.slice(0, begin, begin + batch));
  }
  return sums;
}

TEST(ReconstructionSums, EqualTwoPassesInAnyBatches) {
  const Data d = data(701, 13, at::kFloat, 0.5);
  const Reference expected = reference(d.x, d.y);
  for (const std::int64_t batch : {1, 7, 256, 700, 701, 5000}) {
    SCOPED_TRACE(batch);
    expect_equal(in_batches(d, batch), expected, 1e-12);
  }
}

TEST(ReconstructionSums, TakeFloat64AndStridedRows) {
  const Data d = data(90, 24, at::kDouble, 0.5);
  expect_equal(in_batches(d, 32), reference(d.x, d.y), 1e-12);
  const Data columns{d.x.slice(1, 0, 24, 2), d.y.slice(1, 0, 24, 2)};
  expect_equal(in_batches(columns, 32), reference(columns.x, columns.y), 1e-12);
  const Data mixed{d.x.to(at::kFloat), d.y};
  expect_equal(in_batches(mixed, 32), reference(mixed.x, mixed.y), 1e-12);
}

// sum ||x||^2 - n ||mean||^2 in float64 would leave no digit here.
TEST(ReconstructionSums, SurviveAnOffsetFarFromZero) {
  const Data d = data(300, 8, at::kDouble, 1e8);
  EXPECT_NEAR(in_batches(d, 32).fvu(), reference(d.x, d.y).fvu, 1e-6);
}

TEST(ReconstructionSums, TheMeanIsThatOfAllRowsNotOfABatch) {
  const Data d = data(512, 13, at::kFloat, 0);
  double average = 0;
  for (std::int64_t begin = 0; begin < 512; begin += 32) {
    const Data batch{d.x.slice(0, begin, begin + 32), d.y.slice(0, begin, begin + 32)};
    average += reference(batch.x, batch.y).fvu / 16;
  }
  const double fvu = in_batches(d, 32).fvu();
  EXPECT_NEAR(fvu, reference(d.x, d.y).fvu, 1e-12);
  EXPECT_GT(std::abs(average - fvu), 0.1 * fvu);
}

// SAEBench (evals/core/main.py) averages x^2 where the mean of x belongs and runs the batch into
// the coordinates: its denominator is mean ||x||^2 - (mean ||x||^2 / d)^2.
TEST(ReconstructionSums, AreNotTheDenominatorOfSaeBench) {
  const Data d = data(512, 13, at::kFloat, 3);
  const at::Tensor x = d.x.to(at::kDouble), e = x - d.y.to(at::kDouble);
  const double norm = x.square().sum(1).mean().item<double>();
  const double mean_of_squares = x.square().mean().item<double>();
  const double theirs =
      1 - e.square().sum(1).mean().item<double>() / (norm - mean_of_squares * mean_of_squares);
  const double right = 1 - reference(d.x, d.y).fvu;
  EXPECT_NEAR(1 - in_batches(d, 64).fvu(), right, 1e-12);
  EXPECT_GT(std::abs(theirs - right), 0.03);
}

// SAELens before 6.45.2 divided its squared error by the batch's tokens once too often.
TEST(ReconstructionSums, TheSquaredErrorDoesNotDependOnTheBatch) {
  const Data d = data(512, 13, at::kFloat, 0.5);
  EXPECT_NEAR(in_batches(d, 512).mse(), in_batches(d, 16).mse(), 1e-12);
  EXPECT_NEAR(in_batches({d.x.repeat({4, 1}), d.y.repeat({4, 1})}, 2048).mse(),
              in_batches(d, 512).mse(), 1e-12);
}

TEST(ReconstructionSums, MergeInAnyOrder) {
  const Data d = data(400, 13, at::kFloat, 3);
  const at::Tensor order = at::randperm(400, at::kLong);
  const Data shuffled{d.x.index_select(0, order), d.y.index_select(0, order)};
  ReconstructionSums a = in_batches({d.x.slice(0, 0, 150), d.y.slice(0, 0, 150)}, 64);
  ReconstructionSums b = in_batches({d.x.slice(0, 150), d.y.slice(0, 150)}, 64);
  ReconstructionSums ba = b, nothing(13);
  ba.merge(a);
  a.merge(b);
  a.merge(nothing);
  nothing.merge(a);
  const Reference expected = reference(d.x, d.y);
  for (const ReconstructionSums& sums : {a, ba, nothing, in_batches(shuffled, 31)}) {
    expect_equal(sums, expected, 1e-12);
    EXPECT_EQ(sums.rows(), 400);
  }
}

TEST(ReconstructionSums, SavedSumsGoOnWhereTheyWere) {
  const Data d = data(300, 13, at::kFloat, 3);
  const ReconstructionSums first = in_batches({d.x.slice(0, 0, 100), d.y.slice(0, 0, 100)}, 64);
  Tensors saved;
  first.save(saved, "a.");
  ReconstructionSums second(13);
  second.load(saved, "a.");
  second.add(d.x.slice(0, 100), d.y.slice(0, 100));
  expect_equal(second, reference(d.x, d.y), 1e-12);
  ReconstructionSums other(12);
  EXPECT_THROW(other.load(saved, "a."), Error);
  EXPECT_THROW(other.merge(first), Error);
}

TEST(ReconstructionSums, ReturnTheRowsErrors) {
  const Data d = data(70, 13, at::kFloat, 3);
  ReconstructionSums sums(13);
  const at::Tensor errors = sums.add(d.x, d.y);
  const at::Tensor expected = (d.x.to(at::kDouble) - d.y.to(at::kDouble)).square().sum(1);
  EXPECT_TRUE(errors.allclose(expected, 1e-13, 0));
  EXPECT_NEAR(row_explained_variance(d.x, errors, sums.mean()), reference(d.x, d.y).per_row, 1e-10);
  EXPECT_NEAR(sums.squared_error(), expected.sum().item<double>(), 1e-9);
}

TEST(ReconstructionSums, TheRowsOwnRatiosAreNotTheRatioOfSums) {
  const Data d = data(400, 13, at::kFloat, 0);
  const Reference r = reference(d.x, d.y);
  EXPECT_GT(std::abs(r.per_row - (1 - r.fvu)), 0.005);
}

TEST(ReconstructionSums, RowsOfZero) {
  const at::Tensor x = at::cat({at::zeros({1, 4}), at::ones({1, 4})});
  ReconstructionSums silent(4);
  silent.add(x, at::zeros({2, 4}));
  EXPECT_EQ(silent.cosine(), 0);  // one row with x != 0, whose reconstruction is 0
  EXPECT_EQ(silent.norm_ratio(), 0);
  EXPECT_TRUE(std::isnan(silent.relative_bias()));
  EXPECT_EQ(silent.fvu_uncentred(), 1);

  ReconstructionSums exact(4);
  exact.add(x, x);
  EXPECT_EQ(exact.cosine(), 1);
  EXPECT_EQ(exact.norm_ratio(), 1);
  EXPECT_EQ(exact.relative_bias(), 1);
  EXPECT_EQ(exact.fvu(), 0);
}

TEST(ReconstructionSums, UndefinedIsNotZero) {
  const auto reason = [](const ReconstructionSums& sums, std::string_view key) {
    for (const Metric& m : sums.metrics("s")) {
      if (m.key == key) return m.undefined;
    }
    return std::string("no such metric");
  };
  ReconstructionSums none(3);
  EXPECT_EQ(reason(none, "fvu"), "no row was scored");
  EXPECT_EQ(reason(none, "mse"), "no row was scored");
  ReconstructionSums equal(3);
  equal.add(at::ones({5, 3}), at::zeros({5, 3}));
  EXPECT_EQ(reason(equal, "fvu"), "every row is the same");
  EXPECT_EQ(reason(equal, "explained_variance"), "every row is the same");
  EXPECT_EQ(reason(equal, "fvu_uncentred"), "");
  EXPECT_EQ(reason(equal, "relative_bias"), "no reconstruction has a part along its row");
  ReconstructionSums zero(3);
  zero.add(at::zeros({5, 3}), at::ones({5, 3}));
  EXPECT_EQ(reason(zero, "cosine"), "every row is 0");
  EXPECT_EQ(reason(zero, "mse"), "");
  ReconstructionSums broken(3);
  broken.add(at::ones({5, 3}), at::ones({5, 3}) * std::numeric_limits<float>::quiet_NaN());
  EXPECT_EQ(reason(broken, "fvu"), "a row or its reconstruction is not finite");
}

TEST(ReconstructionSums, RefuseOtherShapes) {
  ReconstructionSums sums(3);
  EXPECT_THROW(sums.add(at::ones({2, 4}), at::ones({2, 4})), Error);
  EXPECT_THROW(sums.add(at::ones({2, 3}), at::ones({3, 3})), Error);
  EXPECT_EQ(sums.add(at::ones({0, 3}), at::ones({0, 3})).size(0), 0);
  EXPECT_EQ(sums.rows(), 0);
}

}  // namespace
}  // namespace saffron
