#include <saffron/error.h>
#include <saffron/ops.h>

#include "tests/sdk/ops/pursuit_cases.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace saffron;
using ops::PursuitOptions;
using Products = PursuitOptions::Products;
using test::pursuit_case;
using test::PursuitCase;
using test::unit;

namespace {

// Correlations that are 0 but for rounding may have either sign.
constexpr double kNoise = 1e-12;

struct Naive {
  at::Tensor f;                       // [F]
  std::vector<std::int64_t> choices;  // in order
};

// One row by the header's words, in plain dense operators.
Naive naive(const at::Tensor& x, const at::Tensor& W, const PursuitOptions& options) {
  Naive out{at::zeros({W.size(0)}, x.options()), {}};
  at::Tensor r = x.clone();
  for (std::int64_t t = 0; t < options.k; ++t) {
    const at::Tensor p = at::mm(W, r.unsqueeze(1)).squeeze(1);
    const std::int64_t i = p.argmax().item<std::int64_t>();
    const double v = p[i].item<double>();
    const bool repeated = std::count(out.choices.begin(), out.choices.end(), i) > 0;
    if (!(v > kNoise) || (repeated && options.orthogonal)) break;
    if (options.orthogonal) {
      std::vector<std::int64_t> support = out.choices;
      support.push_back(i);
      const at::Tensor at = at::zeros({static_cast<std::int64_t>(support.size())}, at::kLong);
      std::copy(support.begin(), support.end(), at.mutable_data_ptr<std::int64_t>());
      const at::Tensor A = W.index_select(0, at);
      const at::Tensor gram = at::mm(A, A.t());
      const at::Tensor c = at::linalg_solve(gram, at::mm(A, x.unsqueeze(1)).squeeze(1));
      out.choices = support;
      out.f.zero_().index_add_(0, at, c);
      r = x - at::mm(A.t(), c.unsqueeze(1)).squeeze(1);
    } else {
      out.choices.push_back(i);
      out.f[i] += v;
      r = r - v * W[i];
    }
    if (r.norm().item<double>() < options.tolerance) break;
    if (repeated && options.stop_at_repeat) break;
  }
  return out;
}

// Whole numbers, of which float32 loses nothing in so few choices: equal correlations are equal, and
// latents are there twice.
PursuitCase case_with_ties(std::uint64_t n, at::ScalarType dtype) {
  const Random random = Random(43).fork(n);
  const auto upto = [&](std::uint64_t most, std::uint64_t draw) {
    return static_cast<std::int64_t>(random.below(most, 0, draw)) + 1;
  };
  const std::int64_t F = upto(30, 0), d = upto(7, 1), B = upto(4, 2);
  at::Tensor W = test::whole_numbers(random.fork("W"), F, d, 1);
  W[F - 1].copy_(W[0]);
  PursuitCase made;
  made.x = test::laid_out(test::whole_numbers(random.fork("x"), B, d, 2).to(dtype),
                          random.below(test::kLayouts, 0, 3));
  made.W = test::laid_out(W.to(dtype), random.below(test::kLayouts, 0, 4));
  made.options.k = n % 5 == 0 ? 1 : upto(3, 5);
  made.options.stop_at_repeat = n % 2 == 0;
  return made;
}

void expect_naive(const PursuitCase& c, std::uint64_t n) {
  const at::Tensor x = c.x.to(at::kDouble).contiguous(), W = c.W.to(at::kDouble).contiguous();
  std::vector<Naive> want;
  for (std::int64_t b = 0; b < x.size(0); ++b) want.push_back(naive(x[b], W, c.options));
  for (const Products products : {Products::direct, Products::gram}) {
    PursuitOptions options = c.options;
    options.products = products;
    const ops::Pursuit got = ops::pursue(c.x, c.W, options);
    const at::Tensor f = got.codes.to_dense().to(at::kDouble);
    const at::Tensor values = got.values.to(at::kDouble);
    const auto* offset = got.offsets.const_data_ptr<std::int32_t>();
    const auto* latent = got.latents.const_data_ptr<std::int32_t>();
    const auto* value = values.const_data_ptr<double>();
    for (std::size_t b = 0; b < want.size(); ++b) {
      std::vector<std::int64_t> choices;
      for (std::int32_t e = offset[b]; e < offset[b + 1]; ++e) {
        if (options.orthogonal || value[e] > kNoise) choices.push_back(latent[e]);
      }
      ASSERT_EQ(choices, want[b].choices) << n << " row " << b;
      ASSERT_TRUE(at::allclose(f[static_cast<std::int64_t>(b)], want[b].f, 1e-8, 1e-10))
          << n << " row " << b;
    }
  }
}

constexpr std::uint64_t kTrials = 1000;

TEST(Pursuit, MatchingIsTheNaiveLoopOnRandomShapes) {
  for (std::uint64_t n = 0; n < kTrials; ++n) expect_naive(pursuit_case(n, false), n);
}

TEST(Pursuit, OrthogonalIsTheNaiveLoopOnRandomShapes) {
  for (std::uint64_t n = 0; n < kTrials; ++n) expect_naive(pursuit_case(n, true), n);
}

TEST(Pursuit, TiesGoToTheLowerLatent) {
  for (std::uint64_t n = 0; n < kTrials; ++n) {
    expect_naive(case_with_ties(n, n % 2 == 0 ? at::kFloat : at::kDouble), n);
  }
}

TEST(Pursuit, ANaNAnywhereIsNamed) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (std::uint64_t n = 0; n < kTrials; ++n) {
    PursuitCase c = pursuit_case(n, n % 2 == 0);
    const Random random = Random(47).fork(n);
    const bool in_row = n % 3 > 0;
    at::Tensor& of = in_row ? c.x : c.W;
    const auto place = [&](std::int64_t most, std::uint64_t draw) {
      return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most), 0, draw));
    };
    const std::int64_t at = place(of.size(0), 0);
    of[at][place(of.size(1), 1)].fill_(nan);
    const std::string want = cat("row ", in_row ? at : 0, ", latent ", in_row ? 0 : at);
    for (const Products products : {Products::direct, Products::gram}) {
      c.options.products = products;
      try {
        (void)ops::pursue(c.x, c.W, c.options);
        FAIL() << n;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::numeric);
        EXPECT_NE(std::string(error.what()).find(want), std::string::npos)
            << n << ": " << error.what() << ", not " << want;
      }
    }
  }
}

TEST(Pursuit, CodesAreAscendingAndNameALatentOnce) {
  const at::Tensor W = unit(1, 6, 5), x = Random(2).normal_rows(0, 30, 5, at::kDouble);
  const ops::Pursuit got = ops::pursue(x, W, {.k = 20, .stop_at_repeat = false});
  const auto* offset = got.codes.offsets().const_data_ptr<std::int32_t>();
  const auto* index = got.codes.indices().const_data_ptr<std::int32_t>();
  bool repeats = false;
  for (std::int64_t b = 0; b < 30; ++b) {
    for (std::int32_t e = offset[b] + 1; e < offset[b + 1]; ++e) EXPECT_LT(index[e - 1], index[e]);
    repeats = repeats || got.offsets[b + 1].item<int>() - got.offsets[b].item<int>() >
                             offset[b + 1] - offset[b];
  }
  EXPECT_TRUE(repeats);
  const at::Tensor of_choices =
      got.codes.values().clone().zero_().index_add_(0, got.entries.to(at::kLong), got.values);
  EXPECT_TRUE(at::allclose(of_choices, got.codes.values()));
}

TEST(Pursuit, OnlyAllowedLatentsAreChosen) {
  const at::Tensor W = unit(3, 50, 8), x = Random(4).normal_rows(0, 20, 8, at::kDouble);
  const at::Tensor allowed = Random(5).uniform_rows(0, 1, 50).flatten().gt(0.5);
  for (const Products products : {Products::direct, Products::gram}) {
    const ops::Pursuit got = ops::pursue(x, W, {.k = 6, .products = products}, allowed);
    EXPECT_TRUE(allowed.index_select(0, got.codes.indices().to(at::kLong)).all().item<bool>());
    EXPECT_GT(got.codes.indices().size(0), 20);
  }
  const ops::Pursuit none = ops::pursue(x, W, {.k = 6}, allowed.logical_and(allowed.logical_not()));
  EXPECT_EQ(none.codes.l0().sum().item<std::int64_t>(), 0);
}

// Two equal rows, and one that is the sum of two others: what is spanned already is not taken twice.
TEST(Pursuit, OrthogonalEndsBeforeWhatIsSpannedAlready) {
  at::Tensor W = at::zeros({4, 3}, at::kFloat);
  W[0][0] = 1;
  W[1][0] = 1;
  W[2][1] = 1;
  W[3][0] = W[3][1] = std::sqrt(0.5F);
  at::Tensor x = at::zeros({1, 3}, at::kFloat);
  x[0][0] = 3;
  x[0][1] = 1;
  for (const Products products : {Products::direct, Products::gram}) {
    const ops::Pursuit got = ops::pursue(x, W, {.k = 4, .orthogonal = true, .products = products});
    EXPECT_LE(got.latents.size(0), 3);
    EXPECT_TRUE(at::allclose(ops::decode(got.codes, W, {}), x, 1e-5, 1e-5));
    EXPECT_LT(got.codes.values().abs().max().item<float>(), 10);
  }
}

TEST(Pursuit, FloatsAgreeBetweenTheTwoProducts) {
  const at::Tensor W = unit(8, 600, 32, at::kFloat), x = Random(9).normal_rows(0, 65, 32);
  for (const bool orthogonal : {false, true}) {
    PursuitOptions options{.k = 8, .orthogonal = orthogonal, .products = Products::direct};
    const at::Tensor direct = ops::pursue(x, W, options).codes.to_dense();
    options.products = Products::gram;
    EXPECT_TRUE(at::allclose(ops::pursue(x, W, options).codes.to_dense(), direct, 1e-4, 1e-5));
  }
}

TEST(Pursuit, TheRoomOfTheGramMatrixIsKept) {
  const at::Tensor W = unit(10, 60, 6), x = Random(11).normal_rows(0, 9, 6, at::kDouble);
  at::Tensor room;
  const PursuitOptions options{.k = 4, .products = Products::gram};
  (void)ops::pursue(x, W, options, {}, &room);
  const void* const place = room.const_data_ptr();
  const at::Tensor again = ops::pursue(x, W, options, {}, &room).codes.to_dense();
  EXPECT_EQ(room.const_data_ptr(), place);
  EXPECT_TRUE(at::equal(again, ops::pursue(x, W, options).codes.to_dense()));
}

TEST(Pursuit, RefusesWhatDoesNotFit) {
  const at::Tensor W = unit(12, 5, 4), x = unit(13, 3, 4);
  EXPECT_THROW((void)ops::pursue(x, unit(1, 5, 3), {}), Error);
  EXPECT_THROW((void)ops::pursue(x.to(at::kFloat), W, {}), Error);
  EXPECT_THROW((void)ops::pursue(x, W, {.k = 0}), Error);
  EXPECT_THROW((void)ops::pursue(x, W, {}, at::zeros({4}, at::kBool)), Error);
  const ops::Pursuit got = ops::pursue(x, W, {.k = 2});
  EXPECT_THROW((void)ops::pursuit_gradient(got, x, W, at::zeros({99}, at::kDouble), {}), Error);
  EXPECT_THROW((void)ops::pursuit_gradient(got, x, W, {}, x.slice(1, 0, 2)), Error);
}

}  // namespace
