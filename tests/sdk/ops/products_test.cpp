#include <saffron/error.h>
#include <saffron/ops.h>
#include <saffron/random.h>

#include "tests/identical.h"
#include "tests/sdk/ops/inputs.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <gtest/gtest.h>

#include <limits>
#include <vector>

using namespace saffron;

namespace {

struct Case {
  Codes codes;
  at::Tensor dense, W, g;
  double tolerance = 0;  // of the dtype, beside sums of some hundred products
};

// Shapes with one row, one latent a row and all of them; float32 and float64; matrices that are strided
// or not aligned; in some a NaN. `dense` is float64 and without one.
Case random_case(std::uint64_t trial, bool csr) {
  const Random random = Random(21).fork(trial);
  const auto pick = [&](std::uint64_t draw, std::uint64_t bound) {
    return static_cast<std::int64_t>(1 + random.below(bound, 0, draw));
  };
  const std::int64_t B = trial % 9 == 0 ? 1 : pick(0, 20), d = pick(1, 130), F = pick(2, 90);
  const std::int64_t k = trial % 10 == 0   ? F
                         : trial % 10 == 1 ? 1
                                           : pick(3, static_cast<std::uint64_t>(F));
  const bool single = trial % 2 == 1;
  const at::ScalarType dtype = single ? at::kFloat : at::kDouble;
  const auto matrix = [&](const char* name, std::int64_t rows, std::uint64_t draw) {
    return test::laid_out(random.fork(name).normal_rows(0, rows, d, at::kDouble).to(dtype),
                          random.below(test::kLayouts, 0, draw));
  };
  Case made;
  made.W = matrix("W", F, 4);
  made.g = matrix("g", B, 5);
  made.tolerance = single ? 1e-4 : 1e-12;
  made.codes = ops::encode_topk(matrix("x", B, 6), made.W, {}, k, ops::Keep::rectified);
  made.dense = made.codes.to_dense().to(at::kDouble);
  if (csr) made.codes = Codes::from_dense(made.codes.to_dense());
  const auto misaligned = [](const at::Tensor& of) {
    return test::laid_out(of.view({1, -1}), 3).view(of.sizes());
  };
  if (trial % 3 == 0) made.codes = made.codes.with_values(misaligned(made.codes.values()));
  if (trial % 7 == 0) {
    at::Tensor of = trial % 14 == 0 ? made.W : made.g;
    of[pick(7, static_cast<std::uint64_t>(of.size(0))) - 1]
      [pick(8, static_cast<std::uint64_t>(d)) - 1]
          .fill_(std::numeric_limits<double>::quiet_NaN());
  }
  return made;
}

constexpr std::uint64_t kTrials = 1000;  // of each of two layouts of codes

// Calls visit(e, row, latent, value) for each entry of codes.
template <class Visit>
void each_entry(const Codes& codes, Visit&& visit) {
  const at::Tensor values = codes.values().to(at::kDouble).contiguous();
  const auto* const value = values.const_data_ptr<double>();
  const auto* const latent = codes.indices().const_data_ptr<std::int32_t>();
  const bool csr = codes.layout() == Codes::Layout::csr;
  const auto* const offset = csr ? codes.offsets().const_data_ptr<std::int32_t>() : nullptr;
  for (std::int64_t row = 0; row < codes.rows(); ++row) {
    const std::int64_t k = csr ? 0 : codes.values().size(1);
    for (std::int64_t e = csr ? offset[row] : row * k, end = csr ? offset[row + 1] : e + k; e < end;
         ++e) {
      visit(e, row, static_cast<std::int64_t>(latent[e]), value[e]);
    }
  }
}

// to[at_to, :] += factor * from[at_from, :], in double precision.
void add_row(at::Tensor& to, std::int64_t at_to, double factor, const at::Tensor& from,
             std::int64_t at_from) {
  const std::int64_t d = to.size(1);
  double* const sum = to.mutable_data_ptr<double>() + at_to * d;
  const double* const row = from.const_data_ptr<double>() + at_from * d;
  for (std::int64_t j = 0; j < d; ++j) sum[j] += factor * row[j];
}

at::Tensor in_double(const at::Tensor& matrix) { return matrix.to(at::kDouble).contiguous(); }

// With NaN where, and only where, it belongs.
void expect_close(const at::Tensor& got, const at::Tensor& want, const Case& c,
                  std::uint64_t trial) {
  ASSERT_TRUE(at::allclose(in_double(got), want, c.tolerance, c.tolerance, true)) << trial;
}

class Products : public testing::TestWithParam<bool> {};

TEST_P(Products, DecodeIsTheNaiveSum) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    const at::Tensor W = in_double(c.W), b = c.g[0];
    at::Tensor want = at::zeros({c.g.size(0), W.size(1)}, at::kDouble);
    each_entry(c.codes, [&](std::int64_t, std::int64_t row, std::int64_t latent, double value) {
      if (value != 0) add_row(want, row, value, W, latent);
    });
    expect_close(ops::decode(c.codes, c.W, {}), want, c, trial);
    expect_close(ops::decode(c.codes, c.W, b), want + b, c, trial);
  }
}

TEST_P(Products, CodeGradientIsTheNaiveSum) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    const at::Tensor W = in_double(c.W), g = in_double(c.g);
    const std::int64_t d = W.size(1);
    at::Tensor want = at::zeros_like(c.codes.values(), at::kDouble);
    each_entry(c.codes, [&](std::int64_t e, std::int64_t row, std::int64_t latent, double) {
      double sum = 0;
      for (std::int64_t j = 0; j < d; ++j) {
        sum += g.const_data_ptr<double>()[row * d + j] * W.const_data_ptr<double>()[latent * d + j];
      }
      want.mutable_data_ptr<double>()[e] = sum;
    });
    expect_close(ops::code_gradient(c.codes, c.W, c.g), want, c, trial);
  }
}

TEST_P(Products, FormedGradientIsTheNaiveSum) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    const at::Tensor g = in_double(c.g);
    at::Tensor want = at::zeros({c.W.size(0), g.size(1)}, at::kDouble);
    each_entry(c.codes, [&](std::int64_t, std::int64_t row, std::int64_t latent, double value) {
      if (value != 0) add_row(want, latent, value, g, row);
    });
    expect_close(ops::form_gradient({c.codes, c.g}), want, c, trial);
  }
}

TEST_P(Products, SumsByLatentAreColumnSums) {
  for (std::uint64_t trial = 0; trial < kTrials; ++trial) {
    const Case c = random_case(trial, GetParam());
    expect_close(ops::sum_by_latent(c.codes), c.dense.sum(0), c, trial);
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
      for (std::size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(test::identical(first[i], now[i]));
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
