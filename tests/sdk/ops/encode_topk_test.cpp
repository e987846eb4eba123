#include "tests/sdk/ops/encode_cases.h"

#include <ATen/ops/mm.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numeric>
#include <set>
#include <thread>

using namespace saffron;
using namespace saffron::test;
using ops::Keep;

namespace {

void expect_selection(const Codes& codes, const EncodeCase& c, Keep keep) {
  const at::Tensor values = codes.values().to(at::kDouble);
  const auto* value = values.const_data_ptr<double>();
  const auto* latent = codes.indices().const_data_ptr<std::int32_t>();
  ASSERT_EQ(values.numel(), c.B() * c.k);
  for (const std::vector<double>& row : c.a) {
    for (const std::int64_t want : first_of(row, c.k, keep)) {
      const double a = row[static_cast<std::size_t>(want)];
      ASSERT_EQ(*latent++, want);
      ASSERT_EQ(*value++, keep == Keep::rectified ? std::max(a, 0.0) : a);
    }
  }
}

TEST(EncodeTopk, EqualsAFullSortOnRandomShapes) {
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    SCOPED_TRACE(trial);
    const EncodeCase c = random_case(trial);
    for (const Keep keep : {Keep::signed_values, Keep::rectified, Keep::magnitude}) {
      expect_selection(ops::encode_topk(c.x, c.W, c.b, c.k, keep, {}, c.scale), c, keep);
    }
    if (HasFatalFailure()) return;
  }
}

// Gaussian values have no ties; float32 products are not exact, but their own.
TEST(EncodeTopk, KeepsTheLargestOfAWideLayer) {
  const Random random(4);
  const at::Tensor x = random.fork("x").normal_rows(0, 40, 24, at::kDouble);
  const at::Tensor W = random.fork("W").normal_rows(0, 5000, 24, at::kDouble);
  const at::Tensor a = at::mm(x, W.t());
  for (const std::int64_t k : {1, 32, 200, 700}) {
    const Codes codes = ops::encode_topk(x, W, {}, k, Keep::signed_values);
    const auto [values, indices] = a.topk(k);
    EXPECT_TRUE(codes.values().allclose(values, 1e-12, 1e-12)) << k;
    EXPECT_TRUE(at::equal(codes.gather_index(), indices)) << k;
  }
}

TEST(EncodeTopk, TiesGoToTheLowerLatent) {
  const at::Tensor x = at::ones({3, 2}, at::kDouble), W = at::ones({3000, 2}, at::kDouble);
  for (const Keep keep : {Keep::rectified, Keep::magnitude}) {
    const Codes codes = ops::encode_topk(x, W, {}, 40, keep);
    for (std::int64_t i = 0; i < 40; ++i) EXPECT_EQ(codes.indices()[2][i].item<int>(), i);
  }
}

TEST(EncodeTopk, InfinitiesAndZerosKeepTheirOrder) {
  const double inf = std::numeric_limits<double>::infinity();
  EncodeCase c;
  c.x = at::zeros({1, 1});
  c.W = at::zeros({6, 1});
  c.b = at::tensor({-inf, 0.0, -0.0, inf, -1.0, -inf}, at::kDouble).to(at::kFloat);
  c.a = {{-inf, 0.0, 0.0, inf, -1.0, -inf}};
  for (c.k = 1; c.k <= 6; ++c.k) {
    for (const Keep keep : {Keep::signed_values, Keep::rectified, Keep::magnitude}) {
      expect_selection(ops::encode_topk(c.x, c.W, c.b, c.k, keep), c, keep);
    }
  }
}

TEST(EncodeTopk, ChoosesOnlyAllowedLatents) {
  const Random random(6);
  const at::Tensor x = random.normal_rows(0, 5, 8, at::kFloat);
  const at::Tensor W = random.fork("W").normal_rows(0, 64, 8, at::kFloat);
  const at::Tensor b = random.fork("b").normal_rows(0, 1, 64, at::kFloat)[0];
  at::Tensor allowed = at::zeros({64}, at::kBool);
  for (std::int64_t i : {3, 17, 40}) allowed[i].fill_(true);
  const Codes codes = ops::encode_topk(x, W, b, 3, Keep::signed_values, allowed);
  const at::Tensor a = at::mm(x, W.t()) + b;
  for (std::int64_t r = 0; r < 5; ++r) {
    std::set<int> chosen;
    for (std::int64_t i = 0; i < 3; ++i) chosen.insert(codes.indices()[r][i].item<int>());
    EXPECT_EQ(chosen, (std::set<int>{3, 17, 40}));
  }
  EXPECT_TRUE(codes.values().allclose(a.gather(1, codes.gather_index())));
  EXPECT_THROW((void)ops::encode_topk(x, W, b, 4, Keep::signed_values, allowed), Error);
}

TEST(EncodeTopk, NamesThePlaceOfNaN) {
  for (const Keep keep : {Keep::signed_values, Keep::magnitude}) {
    expect_names_nan([&](const at::Tensor& x, const at::Tensor& W, const at::Tensor& b) {
      (void)ops::encode_topk(x, W, b, 5, keep);
    });
  }
  at::Tensor W = at::ones({9, 2});
  W[4].fill_(std::numeric_limits<float>::quiet_NaN());
  at::Tensor allowed = at::ones({9}, at::kBool);
  allowed[1].fill_(false);
  expect_nan_at(
      0, 4, [&] { (void)ops::encode_topk(at::ones({2, 2}), W, {}, 8, Keep::rectified, allowed); });
}

TEST(EncodeTopk, DoesNotDependOnTheNumberOfThreads) {
  for (const std::int64_t k : {32, 2300}) {
    expect_same_on_two_threads(
        [&](const at::Tensor& x, const at::Tensor& W, const at::Tensor& b) {
          return ops::encode_topk(x, W, b, k, Keep::signed_values);
        },
        expect_same);
  }
}

TEST(EncodeTopk, TakesNoRows) {
  const Codes codes = ops::encode_topk(at::ones({0, 2}), at::ones({5, 2}), {}, 3, Keep::rectified);
  EXPECT_EQ(codes.rows(), 0);
  EXPECT_EQ(codes.values().size(1), 3);
}

TEST(EncodeTopk, RefusesWhatDoesNotFit) {
  const at::Tensor x = at::ones({4, 2}), W = at::ones({50, 2});
  const auto refused = [](auto&&... arguments) {
    EXPECT_THROW((void)ops::encode_topk(arguments...), Error);
  };
  const at::Tensor none;
  refused(x, at::ones({50, 3}), none, 2, Keep::rectified);
  refused(x, W.to(at::kDouble), none, 2, Keep::rectified);
  refused(x.to(at::kHalf), W.to(at::kHalf), none, 2, Keep::rectified);
  refused(x, W, none, 51, Keep::rectified);
  refused(x, W, none, 0, Keep::rectified);
  refused(x, W, at::ones({49}), 2, Keep::rectified);
  refused(x, W, at::ones({50}, at::kDouble), 2, Keep::rectified);
  refused(x, W, none, 2, Keep::rectified, at::ones({50}));
  refused(x, W, none, 2, Keep::rectified, none, at::ones({49}));
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
