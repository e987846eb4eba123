#include <saffron/error.h>
#include <saffron/ops.h>
#include <saffron/random.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <thread>

using namespace saffron;

namespace {

// The k largest of each row of `a`, by a full sort; ties to the lower latent.
void expect_selection(const Codes& codes, const at::Tensor& a, std::int64_t k, bool rectify) {
  const auto rows = a.accessor<double, 2>();
  const auto values = codes.values().accessor<double, 2>();
  const auto indices = codes.indices().accessor<std::int32_t, 2>();
  for (std::int64_t r = 0; r < a.size(0); ++r) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(a.size(1)));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::int64_t i, std::int64_t j) { return rows[r][i] > rows[r][j]; });
    for (std::int64_t i = 0; i < k; ++i) {
      const double want = rows[r][order[static_cast<std::size_t>(i)]];
      ASSERT_EQ(indices[r][i], order[static_cast<std::size_t>(i)]) << "row " << r << " entry " << i;
      ASSERT_NEAR(values[r][i], rectify ? std::max(want, 0.0) : want, 1e-10);
    }
  }
}

TEST(EncodeTopk, EqualsAFullSortOnRandomShapes) {
  const Random random(11);
  for (std::uint64_t trial = 0; trial < 200; ++trial) {
    const auto pick = [&](std::uint64_t draw, std::uint64_t bound) {
      return static_cast<std::int64_t>(1 + random.below(bound, trial, draw));
    };
    const std::int64_t B = pick(0, 9), d = pick(1, 33), F = pick(2, 2100);
    const std::int64_t k = trial % 10 == 0 ? F : pick(3, static_cast<std::uint64_t>(F));
    const at::Tensor x = random.fork(trial).fork("x").normal_rows(0, B, d, at::kDouble);
    const at::Tensor W = random.fork(trial).fork("W").normal_rows(0, F, d, at::kDouble);
    const at::Tensor b = random.fork(trial).fork("b").normal_rows(0, 1, F, at::kDouble).squeeze(0);
    const bool rectify = trial % 2 == 0;
    expect_selection(ops::encode_topk(x, W, b, k, rectify), at::mm(x, W.t()) + b, k, rectify);
  }
}

TEST(EncodeTopk, TiesGoToTheLowerLatent) {
  const at::Tensor x = at::ones({3, 2}, at::kDouble), W = at::ones({3000, 2}, at::kDouble);
  const Codes codes = ops::encode_topk(x, W, {}, 40, true);
  for (std::int64_t i = 0; i < 40; ++i) EXPECT_EQ(codes.indices()[2][i].item<int>(), i);
}

TEST(EncodeTopk, TakesNonContiguousInputs) {
  const Random random(5);
  const at::Tensor x = random.normal_rows(0, 6, 40, at::kDouble).t().slice(1, 0, 6, 2);  // [40, 3]
  const at::Tensor W = random.fork("W").normal_rows(0, 3, 200, at::kDouble).t();         // [200, 3]
  expect_selection(ops::encode_topk(x, W, {}, 7, false), at::mm(x, W.t()), 7, false);
}

TEST(EncodeTopk, ChoosesOnlyAllowedLatents) {
  const Random random(6);
  const at::Tensor x = random.normal_rows(0, 5, 8, at::kFloat);
  const at::Tensor W = random.fork("W").normal_rows(0, 64, 8, at::kFloat);
  at::Tensor allowed = at::zeros({64}, at::kBool);
  for (std::int64_t i : {3, 17, 40}) allowed[i].fill_(true);
  const Codes codes = ops::encode_topk(x, W, {}, 3, false, allowed);
  std::set<int> chosen;
  for (std::int64_t i = 0; i < 15; ++i) chosen.insert(codes.indices().view(-1)[i].item<int>());
  EXPECT_EQ(chosen, (std::set<int>{3, 17, 40}));
  EXPECT_THROW((void)ops::encode_topk(x, W, {}, 4, false, allowed), Error);
}

TEST(EncodeTopk, NamesThePlaceOfNaN) {
  at::Tensor x = at::ones({4, 2}), W = at::ones({50, 2});
  W[31][1].fill_(std::numeric_limits<float>::quiet_NaN());
  try {
    (void)ops::encode_topk(x, W, {}, 2, true);
    FAIL() << "NaN was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(), "the pre-activation of row 0, latent 31 is NaN");
  }
}

TEST(EncodeTopk, RefusesWrongShapes) {
  const at::Tensor x = at::ones({4, 2}), W = at::ones({50, 3});
  EXPECT_THROW((void)ops::encode_topk(x, W, {}, 2, true), Error);
  EXPECT_THROW((void)ops::encode_topk(x, at::ones({50, 2}), {}, 51, true), Error);
  EXPECT_THROW((void)ops::encode_topk(x, at::ones({50, 2}), {}, 0, true), Error);
  EXPECT_THROW((void)ops::encode_topk(x, at::ones({50, 2}), at::ones({49}), 2, true), Error);
}

TEST(Parallel, TheSdkIsBuiltWithThreads) {
  if (at::get_num_threads() < 2) at::set_num_threads(2);
  std::set<std::thread::id> seen;
  std::mutex guard;
  at::parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) {
    const std::lock_guard<std::mutex> hold(guard);
    seen.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(seen.size(), 2u) << "at::parallel_for is serial: -fopenmp is missing";
}

}  // namespace
