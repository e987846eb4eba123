#include <saffron/error.h>
#include <saffron/ops.h>
#include <saffron/random.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>

#include <gtest/gtest.h>

#include <limits>
#include <vector>

using namespace saffron;

namespace {

struct Case {
  Codes codes;
  at::Tensor dense, W, g;
};

Case random_case(std::uint64_t trial, bool csr) {
  const Random random = Random(21).fork(trial);
  const auto pick = [&](std::uint64_t draw, std::uint64_t bound) {
    return static_cast<std::int64_t>(1 + random.below(bound, 0, draw));
  };
  const std::int64_t B = trial % 9 == 0 ? 1 : pick(0, 20), d = pick(1, 300), F = pick(2, 90);
  const std::int64_t k = trial % 10 == 0   ? F
                         : trial % 10 == 1 ? 1
                                           : pick(3, static_cast<std::uint64_t>(F));
  const at::Tensor x = random.fork("x").normal_rows(0, B, d, at::kDouble);
  const at::Tensor W = random.fork("W").normal_rows(0, F, d, at::kDouble);
  Case made;
  made.codes = ops::encode_topk(x, W, {}, k, ops::Keep::rectified);
  made.dense = made.codes.to_dense();
  if (csr) made.codes = Codes::from_dense(made.dense);
  made.W = W;
  made.g = random.fork("g").normal_rows(0, B, d, at::kDouble);
  return made;
}

constexpr std::uint64_t kTrials = 500;  // of each of two layouts

class Products : public testing::TestWithParam<bool> {};

TEST_P(Products, DecodeEqualsTheDenseProduct) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    const at::Tensor b = c.g[0];
    EXPECT_TRUE(at::allclose(ops::decode(c.codes, c.W, b), at::mm(c.dense, c.W) + b, 1e-12, 1e-12));
  }
}

TEST_P(Products, CodeGradientEqualsTheDenseProductOnTheSupport) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    const at::Tensor support = c.codes.with_values(c.codes.values() * 0 + 1).to_dense();
    const at::Tensor sparse = c.codes.with_values(ops::code_gradient(c.codes, c.W, c.g)).to_dense();
    EXPECT_TRUE(at::allclose(sparse, at::mm(c.g, c.W.t()) * support, 1e-12, 1e-12));
  }
}

TEST_P(Products, FormedGradientEqualsTheDenseProduct) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    EXPECT_TRUE(
        at::allclose(ops::form_gradient({c.codes, c.g}), at::mm(c.dense.t(), c.g), 1e-12, 1e-12));
  }
}

TEST_P(Products, SumsByLatentAreColumnSums) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    EXPECT_TRUE(at::allclose(ops::sum_by_latent(c.codes), c.dense.sum(0), 1e-12, 1e-12));
  }
}

TEST_P(Products, AgreeInSinglePrecisionAndOnStridedTensors) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    const Codes single = c.codes.with_values(c.codes.values().to(at::kFloat));
    const at::Tensor W = c.W.to(at::kFloat).t().contiguous().t();
    const at::Tensor g = c.g.to(at::kFloat).t().contiguous().t();
    const at::Tensor decoded = ops::decode(single, W, {}).to(at::kDouble);
    EXPECT_LT((decoded - at::mm(c.dense, c.W)).abs().max().item<double>(),
              1e-6 * (1 + at::mm(c.dense.abs(), c.W.abs()).max().item<double>()));
    const at::Tensor gradient = ops::code_gradient(single, W, g).to(at::kDouble);
    EXPECT_TRUE(at::allclose(gradient, ops::code_gradient(c.codes, c.W, c.g), 1e-4, 1e-4));
  }
}

// A kept entry of value 0 takes no part, whatever its latent's weights are.
TEST_P(Products, DecodeLeavesEntriesOfValueZeroOut) {
  const Case c = random_case(5, GetParam());
  const Codes zeros = c.codes.with_values(c.codes.values() * 0);
  const at::Tensor endless = c.W * std::numeric_limits<double>::infinity();
  EXPECT_EQ(ops::decode(zeros, endless, {}).abs().max().item<double>(), 0);
}

TEST_P(Products, DoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    const Case c = random_case(trial, GetParam());
    std::vector<at::Tensor> first;
    for (const int count : {1, 3}) {
      at::set_num_threads(count);
      const std::vector<at::Tensor> now = {ops::decode(c.codes, c.W, {}),
                                           ops::code_gradient(c.codes, c.W, c.g),
                                           ops::form_gradient({c.codes, c.g})};
      for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(at::equal(first[i], now[i]));
      first = now;
    }
  }
  at::set_num_threads(threads);
}

INSTANTIATE_TEST_SUITE_P(Layouts, Products, testing::Bool(),
                         [](const auto& param) { return param.param ? "csr" : "topk"; });

// Half of 1.2 million entries are there: dense products take over, in parts of the batch.
TEST(Products, OfCrowdedCsrEqualTheDenseOnes) {
  const int threads = at::get_num_threads();
  const Random random(23);
  const std::int64_t B = 300, F = 4000, d = 24;
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const at::Tensor f = random.fork("f").normal_rows(0, B, F, type).clamp_min(0);
    const at::Tensor W = random.fork("W").normal_rows(0, F, d, type);
    const at::Tensor g = random.fork("g").normal_rows(0, B, d, type);
    const Codes exact = Codes::from_dense(f);
    // Room for more, with anything in it.
    const Codes codes = Codes::csr(at::cat({exact.values(), at::full({50}, 9.0, type)}),
                                   at::cat({exact.indices(), at::full({50}, 777777, at::kInt)}),
                                   exact.offsets(), {}, F);
    const double off = type == at::kDouble ? 1e-11 : 2e-3;
    std::vector<at::Tensor> first;
    for (const int count : {1, 2}) {
      at::set_num_threads(count);
      const std::vector<at::Tensor> now = {ops::decode(codes, W, g[0]),
                                           ops::code_gradient(codes, W, g),
                                           ops::form_gradient({codes, g})};
      EXPECT_TRUE(at::allclose(now[0], at::mm(f, W) + g[0], off, off));
      const Codes gradient = exact.with_values(now[1].slice(0, 0, exact.values().size(0)));
      EXPECT_TRUE(at::allclose(gradient.to_dense(), at::mm(g, W.t()) * f.gt(0), off, off));
      EXPECT_TRUE(at::allclose(now[2], at::mm(f.t(), g), off, off));
      for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_TRUE(at::equal(first[i], now[i])) << "product " << i;
      }
      first = now;
    }
  }
  at::set_num_threads(threads);
}

TEST(Products, RefuseAMatrixOverOtherLatents) {
  const Case c = random_case(1, false);
  EXPECT_THROW((void)ops::decode(c.codes, c.W.slice(0, 0, c.W.size(0) - 1), {}), Error);
  EXPECT_THROW((void)ops::code_gradient(c.codes, c.W, c.g.slice(1, 0, 0)), Error);
}

}  // namespace
