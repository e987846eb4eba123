#include <saffron/error.h>
#include <saffron/metrics.h>
#include <saffron/random.h>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <vector>

namespace {

using namespace saffron;
using metrics::Sign;

at::Tensor shuffled(const at::Tensor& rows, std::uint64_t seed) {
  const Permutation permutation(Random(seed), static_cast<std::uint64_t>(rows.size(0)));
  at::Tensor out = rows.clone();
  for (std::int64_t i = 0; i < rows.size(0); ++i) {
    out[static_cast<std::int64_t>(permutation(static_cast<std::uint64_t>(i)))].copy_(rows[i]);
  }
  return out;
}

TEST(Mmcs, IsOneForPermutedAndScaledRows) {
  const at::Tensor a = Random(1).normal_rows(0, 30, 12);
  const at::Tensor scale = Random(2).uniform_rows(0, 30, 1) + 0.1;
  EXPECT_NEAR(metrics::mmcs(a, a), 1, 1e-12);
  EXPECT_NEAR(metrics::mmcs(a, shuffled(a, 5) * scale), 1, 1e-6);
  EXPECT_NEAR(metrics::mean_matched_cosine(a, shuffled(a, 5) * scale, Sign::signed_), 1, 1e-6);
}

TEST(Mmcs, IsDirectionalAndSigned) {
  const at::Tensor axes = at::eye(4);
  const at::Tensor first = axes.slice(0, 0, 1);
  EXPECT_DOUBLE_EQ(metrics::mmcs(first, axes), 1);
  EXPECT_DOUBLE_EQ(metrics::mmcs(axes, first), 0.25);
  EXPECT_DOUBLE_EQ(metrics::mmcs(-first, first), -1);
  EXPECT_DOUBLE_EQ(metrics::mmcs(-first, first, Sign::absolute), 1);
}

TEST(Mmcs, EqualsTheNaiveLoop) {
  const at::Tensor a = Random(3).normal_rows(0, 7, 5, at::kDouble);
  const at::Tensor b = Random(4).normal_rows(0, 9, 5, at::kDouble);
  double sum = 0;
  for (int i = 0; i < 7; ++i) {
    double best = -2;
    for (int j = 0; j < 9; ++j) {
      best = std::max(best, (a[i] * b[j]).sum().item<double>() / a[i].norm().item<double>() /
                                b[j].norm().item<double>());
    }
    sum += best;
  }
  EXPECT_NEAR(metrics::mmcs(a, b), sum / 7, 1e-12);
  EXPECT_NEAR(metrics::share_above(metrics::best_match(a, b).cosine, -2), 1, 0);
  EXPECT_NEAR(metrics::share_above(metrics::best_match(a, b).cosine, 1.01), 0, 0);
}

TEST(Mmcs, ZeroRowsHaveCosineZero) {
  const at::Tensor a = at::cat({at::eye(3), at::zeros({1, 3})});
  EXPECT_DOUBLE_EQ(metrics::mmcs(a, at::eye(3)), 0.75);
  EXPECT_TRUE(std::isnan(metrics::mmcs(at::zeros({0, 3}), at::eye(3))));
  EXPECT_THROW((void)metrics::mmcs(at::eye(3), at::zeros({0, 3})), Error);
  EXPECT_THROW((void)metrics::cosines(at::eye(3), at::eye(4)), Error);
}

// Two rows of a want the same column; one-to-one, the second must take what is left.
TEST(Matching, IsOneToOneAndOptimal) {
  const at::Tensor b = at::eye(2);
  const at::Tensor a = at::tensor(std::vector<double>{1.0, 0.1, 1.0, 0.2}).view({2, 2});
  const auto matching = metrics::match(a, b);
  EXPECT_EQ(matching.rows_b[0].item<std::int64_t>(), 0);
  EXPECT_EQ(matching.rows_b[1].item<std::int64_t>(), 1);
  const double expected = (1 / std::hypot(1, 0.1) + 0.2 / std::hypot(1, 0.2)) / 2;
  EXPECT_NEAR(metrics::mean_matched_cosine(a, b, Sign::signed_), expected, 1e-12);
  EXPECT_GT(metrics::mmcs(a, b), expected);
}

TEST(Matching, AveragesOverTheSmallerSide) {
  const at::Tensor b = Random(5).normal_rows(0, 20, 8, at::kDouble);
  const at::Tensor a = b.slice(0, 3, 9);
  for (const auto& [x, y] : {std::pair{a, b}, std::pair{b, a}}) {
    const auto matching = metrics::match(x, y);
    EXPECT_EQ(matching.cosine.numel(), 6);
    EXPECT_NEAR(metrics::mean_matched_cosine(x, y, Sign::signed_), 1, 1e-12);
    const at::Tensor left = x.index_select(0, matching.rows_a);
    EXPECT_TRUE(left.allclose(y.index_select(0, matching.rows_b)));
  }
}

TEST(Matching, MccIgnoresSigns) {
  const at::Tensor a = Random(6).normal_rows(0, 10, 6, at::kDouble);
  EXPECT_NEAR(metrics::mean_matched_cosine(a, -shuffled(a, 2), Sign::absolute), 1, 1e-12);
  EXPECT_LT(metrics::mean_matched_cosine(a, -shuffled(a, 2), Sign::signed_), 0.9);
}

TEST(Uniqueness, CountsDistinctPartners) {
  const at::Tensor truth = at::eye(4);
  const at::Tensor latents = at::cat({truth, -truth.slice(0, 0, 2), truth.slice(0, 0, 2)});
  const auto partners = [&](const at::Tensor& rows) {
    return metrics::best_match(rows, truth, Sign::absolute).partner;
  };
  EXPECT_DOUBLE_EQ(metrics::uniqueness(partners(latents)), 4.0 / 8);
  EXPECT_DOUBLE_EQ(metrics::uniqueness(partners(truth)), 1);
  EXPECT_TRUE(std::isnan(metrics::uniqueness(partners(truth.slice(0, 0, 0)))));
}

// Latents 0 and 1 stand for features 1 and 0; latent 2 is dead.
TEST(Detection, CountsAndScores) {
  const auto make = [](std::vector<double> values, std::int64_t columns) {
    return at::tensor(values).view({-1, columns});
  };
  const at::Tensor f = make({1, 0, 0,   //
                             2, 0, 0,   //
                             3, -1, 0,  //
                             0, 0, 0},
                            3);
  const at::Tensor c = make({0, .5,   // feature 1
                             .1, 0,   // feature 0
                             .2, .3,  // both
                             .4, .6},
                            2);
  const at::Tensor partner = at::tensor(std::vector<std::int64_t>{1, 0, 0});
  for (const Codes& codes : {Codes::dense(f), Codes::from_dense(f)}) {
    const auto counts = metrics::count_detections(codes, c, partner);
    EXPECT_TRUE(counts.true_positive.equal(at::tensor(std::vector<std::int64_t>{2, 1, 0})));
    EXPECT_TRUE(counts.fired.equal(at::tensor(std::vector<std::int64_t>{3, 1, 0})));
    EXPECT_TRUE(counts.present.equal(at::tensor(std::vector<std::int64_t>{3, 3, 3})));
    const auto scores = metrics::detection_scores(counts);
    EXPECT_TRUE(scores.precision.allclose(at::tensor(std::vector<double>{2. / 3, 1, 0})));
    EXPECT_TRUE(scores.recall.allclose(at::tensor(std::vector<double>{2. / 3, 1. / 3, 0})));
    EXPECT_TRUE(scores.f1.allclose(at::tensor(std::vector<double>{2. / 3, .5, 0})));
  }
  EXPECT_THROW((void)metrics::count_detections(Codes::dense(f), c.slice(0, 0, 2), partner), Error);
  EXPECT_THROW((void)metrics::count_detections(Codes::dense(f), c, partner.slice(0, 0, 2)), Error);
}

// topk rows may hold zeros: they do not fire.
TEST(Detection, TopKZerosDoNotFire) {
  const at::Tensor values = at::tensor(std::vector<float>{1, 0, 2, 3}).view({2, 2});
  const at::Tensor indices = at::tensor(std::vector<std::int32_t>{0, 1, 1, 2}).view({2, 2});
  const auto counts = metrics::count_detections(Codes::topk(values, indices, 3), at::eye(2),
                                                at::tensor(std::vector<std::int64_t>{0, 0, 1}));
  EXPECT_TRUE(counts.true_positive.equal(at::tensor(std::vector<std::int64_t>{1, 0, 1})));
  EXPECT_TRUE(counts.fired.equal(at::tensor(std::vector<std::int64_t>{1, 1, 1})));
}

}  // namespace
