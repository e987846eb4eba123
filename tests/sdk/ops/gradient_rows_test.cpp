#include <saffron/ops.h>
#include <saffron/random.h>

#include "tests/sdk/ops/inputs.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace saffron;

namespace {

struct Setting {
  at::Tensor W, dense_gradient;
  Gradient gradient;
};

Setting make(std::uint64_t seed) {
  const Random random(seed);
  Setting s;
  s.W = random.fork("W").normal_rows(0, 37, 19, at::kDouble);
  s.W = s.W / s.W.norm(2, at::IntArrayRef{1}, true);
  const at::Tensor x = random.fork("x").normal_rows(0, 11, 19, at::kDouble);
  const Codes a = ops::encode_topk(x, s.W, {}, 5, ops::Keep::signed_values);
  const Codes b = ops::encode_topk(-x, s.W, {}, 3, ops::Keep::signed_values);
  s.gradient.dense = random.fork("g").normal_rows(0, 37, 19, at::kDouble);
  s.gradient.factored = {{a, x}, {b, x * 2}};
  s.dense_gradient = s.gradient.dense + ops::form_gradient({a, x}) + ops::form_gradient({b, x * 2});
  return s;
}

at::Tensor projected(const at::Tensor& g, const at::Tensor& W) {
  return g - (g * W).sum(at::IntArrayRef{1}, true) * W;
}

TEST(GradientRows, NormEqualsTheDenseOne) {
  const Setting s = make(3);
  EXPECT_NEAR(ops::GradientRows(s.W, Constraint::none, s.gradient).squared_norm(),
              s.dense_gradient.square().sum().item<double>(), 1e-9);
  EXPECT_NEAR(ops::GradientRows(s.W, Constraint::unit_rows, s.gradient).squared_norm(),
              projected(s.dense_gradient, s.W).square().sum().item<double>(), 1e-9);
}

// Adam in dense tensor arithmetic (Kingma and Ba 2015), constraints by hand.
class AdamSteps : public testing::TestWithParam<Constraint> {};

TEST_P(AdamSteps, EqualTheDenseFormula) {
  const Constraint constraint = GetParam();
  at::Tensor W = make(1).W.clone(), m = at::zeros_like(W), v = at::zeros_like(W);
  at::Tensor W2 = W.clone(), m2 = m.clone(), v2 = v.clone();
  for (std::int64_t step = 1; step <= 20; ++step) {
    Setting s = make(100 + static_cast<std::uint64_t>(step));
    const ops::AdamOptions options{
        .lr = 0.01, .weight_decay = 0.1, .step = step, .gradient_scale = 0.5};
    ops::GradientRows(W, constraint, s.gradient).adam(m, v, options);

    at::Tensor g = s.dense_gradient;
    if (constraint == Constraint::unit_rows) g = projected(g, W2);
    g = g * 0.5;
    m2 = 0.9 * m2 + 0.1 * g;
    v2 = 0.999 * v2 + 0.001 * g * g;
    const at::Tensor mhat = m2 / (1 - std::pow(0.9, step)), vhat = v2 / (1 - std::pow(0.999, step));
    W2 = W2 * (1 - 0.01 * 0.1) - 0.01 * mhat / (vhat.sqrt() + 1e-8);
    if (constraint == Constraint::unit_rows) W2 = W2 / W2.norm(2, at::IntArrayRef{1}, true);
    if (constraint == Constraint::non_negative) W2 = W2.clamp_min(0);
  }
  EXPECT_TRUE(at::allclose(W, W2, 1e-9, 1e-11));
}

INSTANTIATE_TEST_SUITE_P(Constraints, AdamSteps,
                         testing::Values(Constraint::none, Constraint::unit_rows,
                                         Constraint::non_negative),
                         [](const auto& given) {
                           if (given.param == Constraint::none) return "none";
                           return given.param == Constraint::unit_rows ? "unit_rows"
                                                                       : "non_negative";
                         });

TEST(GradientRows, SignumInBfloat16GoesWhereItGoesInFull) {
  at::Tensor W = Random(5).normal_rows(0, 40, 300), full = W.clone();
  at::Tensor m = at::zeros_like(W).to(at::kBFloat16), m_full = at::zeros_like(W);
  for (std::uint64_t step = 1; step <= 5; ++step) {
    Gradient gradient;
    gradient.dense = Random(step).normal_rows(0, 40, 300) + 2;
    ops::GradientRows(W, Constraint::none, gradient).signum(m, {.lr = 0.01, .noise = step});
    ops::GradientRows(full, Constraint::none, gradient).signum(m_full, {.lr = 0.01});
  }
  EXPECT_LT(((m - m_full) / m_full).abs().median().item<double>(), 0.01);
  // Where the moment is all but 0, its sign may differ.
  EXPECT_GT(W.eq(full).to(at::kDouble).mean().item<double>(), 0.98);
}

TEST(GradientRows, SignumEqualsItsFormula) {
  at::Tensor W = make(1).W.clone(), m = at::zeros_like(W);
  at::Tensor W2 = W.clone(), m2 = m.clone();
  for (std::uint64_t step = 1; step <= 20; ++step) {
    const Setting s = make(200 + step);
    ops::GradientRows(W, Constraint::unit_rows, s.gradient)
        .signum(m, {.lr = 0.01, .beta = 0.8, .weight_decay = 0.1, .gradient_scale = 0.5});
    m2 = 0.8 * m2 + 0.2 * 0.5 * projected(s.dense_gradient, W2);
    W2 = W2 - 0.01 * (m2.sign() + 0.1 * W2);
    W2 = W2 / W2.norm(2, at::IntArrayRef{1}, true);
  }
  EXPECT_TRUE(at::allclose(W, W2, 1e-9, 1e-11));
}

// One Adam step of a float32 parameter whose moments are kept in bfloat16.
struct SmallMoments {
  at::Tensor W = Random(5).normal_rows(0, 40, 300), g = Random(6).normal_rows(0, 40, 300);
  at::Tensor m = Random(7).normal_rows(0, 40, 300).to(at::kBFloat16);
  at::Tensor v = Random(8).uniform_rows(0, 40, 300).to(at::kBFloat16);
  double beta2 = 0.999;

  void step(std::uint64_t noise) {
    Gradient gradient;
    gradient.dense = g;
    ops::GradientRows(W, Constraint::none, gradient)
        .adam(m, v, {.lr = 0.1, .beta2 = beta2, .step = 3, .noise = noise});
  }
};

TEST(GradientRows, MomentsInBfloat16AreReckonedWithInFull) {
  SmallMoments one, full;
  full.m = full.m.to(at::kFloat);
  full.v = full.v.to(at::kFloat);
  one.step(1);
  full.step(1);
  EXPECT_TRUE(at::allclose(one.W, full.W, 1e-6, 1e-7));
  // One of the two neighbours of what is exact.
  EXPECT_LT(((one.m - full.m) / full.m).abs().max().item<double>(), std::ldexp(1, -7));
  EXPECT_LT(((one.v - full.v) / full.v).abs().max().item<double>(), std::ldexp(1, -7));
}

TEST(GradientRows, MomentsInBfloat16AreRoundedWithoutBias) {
  constexpr int kDraws = 400;
  SmallMoments full;
  full.m = full.m.to(at::kFloat);
  full.v = full.v.to(at::kFloat);
  full.step(0);
  at::Tensor sum_m = at::zeros_like(full.m), sum_v = at::zeros_like(full.v);
  for (std::uint64_t noise = 1; noise <= kDraws; ++noise) {
    SmallMoments one;
    one.step(noise);
    sum_m += one.m;
    sum_v += one.v;
  }
  // The mean of draws that are each at most a unit of the last place, 2^-7 of the value, off.
  for (const auto& [sum, exact] : {std::pair(sum_m, full.m), std::pair(sum_v, full.v)}) {
    const at::Tensor off = (sum / kDraws - exact) / exact.abs();
    const double deviation = std::ldexp(0.5, -7) / std::sqrt(kDraws);
    EXPECT_LT(off.abs().max().item<double>(), 6 * deviation);
    EXPECT_LT(std::abs(off.mean().item<double>()), 6 * deviation / std::sqrt(off.numel()));
  }
}

// To the nearest, 0.999 of what bfloat16 holds is the same number again.
TEST(GradientRows, SlowAveragesInBfloat16Move) {
  SmallMoments of;
  of.v = at::zeros_like(of.v) + 1;
  of.g = at::zeros_like(of.g);
  for (std::uint64_t step = 1; step <= 1000; ++step) of.step(step);
  EXPECT_NEAR(of.v.to(at::kDouble).mean().item<double>(), std::pow(0.999, 1000), 2e-3);
}

TEST(GradientRows, MomentsInBfloat16DoNotDependOnThreads) {
  SmallMoments one, many;
  one.step(9);
  at::set_num_threads(3);
  many.step(9);
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(one.m, many.m) && at::equal(one.v, many.v) && at::equal(one.W, many.W));
}

TEST(GradientRows, MomentsOfAnotherKindAreRefused) {
  SmallMoments mixed;
  mixed.v = mixed.v.to(at::kFloat);
  EXPECT_THROW(mixed.step(1), Error);
  SmallMoments half;
  half.m = half.m.to(at::kHalf);
  half.v = half.v.to(at::kHalf);
  EXPECT_THROW(half.step(1), Error);
}

// A gradient of random shape: latents without entries, some with many, two terms of one support, one of
// another, values that are 0, tensors that are strided or not aligned; with or without a dense part, in
// which there may be a NaN.
struct RandomGradient {
  at::Tensor W;
  Gradient gradient;
  at::Tensor reference;  // float64
};

RandomGradient random_gradient(std::uint64_t trial, at::ScalarType dtype) {
  const Random random = Random(31).fork(trial);
  const auto pick = [&](std::uint64_t draw, std::uint64_t bound) {
    return static_cast<std::int64_t>(1 + random.below(bound, 0, draw));
  };
  const std::int64_t B = pick(0, 12), d = pick(1, 300), F = pick(2, 150);
  const std::int64_t k =
      trial % 10 == 0 ? F : pick(3, static_cast<std::uint64_t>(std::min<std::int64_t>(F, 9)));
  const auto laid_out = [&](const at::Tensor& of, std::uint64_t draw) {
    return test::laid_out(of.to(dtype), random.below(test::kLayouts, 0, draw));
  };
  RandomGradient made;
  made.W = random.fork("W").normal_rows(0, F, d, at::kDouble);
  made.W = made.W / made.W.norm(2, at::IntArrayRef{1}, true);
  const at::Tensor x = random.fork("x").normal_rows(0, B, d, at::kDouble);
  const at::Tensor g = random.fork("g").normal_rows(0, B, d, at::kDouble);
  const Codes codes = ops::encode_topk(x, made.W, {}, k, ops::Keep::rectified);
  const Codes csr =
      Codes::from_dense(ops::encode_topk(-x, made.W, {}, 1, ops::Keep::rectified).to_dense());
  const std::vector<FactoredGradient> terms = {
      {codes, x}, {codes.with_values(codes.values() * -0.5), g}, {csr, g}};
  made.reference = at::zeros_like(made.W);
  for (const FactoredGradient& term : terms) {
    made.reference = made.reference + at::mm(term.support.to_dense().t(), term.rows);
    made.gradient.factored.push_back(
        {term.support.with_values(term.support.values().to(dtype)), laid_out(term.rows, 4)});
  }
  if (trial % 2 == 0) {
    at::Tensor dense = random.fork("dense").normal_rows(0, F, d, at::kDouble);
    if (trial % 14 == 0) {
      dense[pick(5, static_cast<std::uint64_t>(F)) - 1][0].fill_(
          std::numeric_limits<double>::quiet_NaN());
    }
    made.reference = made.reference + dense;
    made.gradient.dense = laid_out(dense, 6);
  }
  return made;
}

TEST(GradientRows, OfRandomShapesEqualTheDenseOnes) {
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      const RandomGradient c = random_gradient(trial, dtype);
      const double tolerance = dtype == at::kDouble ? 1e-11 : 2e-5;
      for (const Constraint constraint : {Constraint::none, Constraint::unit_rows}) {
        at::Tensor W = test::laid_out(c.W.to(dtype), trial % 4 == 1 ? 3 : 0);
        at::Tensor m = test::laid_out(at::zeros_like(W), trial % 5 == 1 ? 3 : 0);
        at::Tensor v = test::laid_out(at::zeros_like(W), trial % 6 == 1 ? 3 : 0);
        const at::Tensor g =
            constraint == Constraint::none ? c.reference : projected(c.reference, c.W);
        ops::SupportGroups shared;
        ops::GradientRows rows(W, constraint, c.gradient, trial % 3 == 0 ? nullptr : &shared);
        const double norm = g.square().sum().item<double>(), squared = rows.squared_norm();
        if (std::isnan(norm)) {
          EXPECT_TRUE(std::isnan(squared)) << trial;
        } else {
          EXPECT_NEAR(squared, norm, tolerance * (1 + norm)) << trial;
        }
        rows.adam(m, v, {.lr = 0});  // m = (1 - beta1) g shows what the pass has formed
        const double size = 1 + g.nan_to_num(0).abs().max().item<double>();
        EXPECT_TRUE(at::allclose(m.to(at::kDouble) * 10, g, 0, tolerance * size, true)) << trial;
      }
    }
  }
}

TEST(GradientRows, DoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> first;
  double norm = 0;
  for (const int count : {1, 3}) {
    at::set_num_threads(count);
    RandomGradient c = random_gradient(4, at::kFloat);
    at::Tensor W = c.W.to(at::kFloat), m = at::zeros_like(W), v = at::zeros_like(W);
    ops::GradientRows rows(W, Constraint::unit_rows, c.gradient);
    const double squared = rows.squared_norm();
    rows.adam(m, v, {.weight_decay = 0.1, .gradient_scale = 0.3});
    if (!first.empty()) {
      EXPECT_EQ(squared, norm);
      EXPECT_TRUE(at::equal(W, first[0]) && at::equal(m, first[1]) && at::equal(v, first[2]));
    }
    first = {W, m, v};
    norm = squared;
  }
  at::set_num_threads(threads);
}

TEST(SupportGroups, AreSharedByCodesOfOneSupportOnly) {
  const RandomGradient c = random_gradient(2, at::kDouble);
  const Codes& codes = c.gradient.factored[0].support;
  ops::SupportGroups shared;
  const ops::LatentGroups& groups = shared.of(codes);
  EXPECT_EQ(&groups, &shared.of(codes.with_values(codes.values() * 2)));
  EXPECT_NE(&groups, &shared.of(c.gradient.factored[2].support));
  const Codes copy = Codes::topk(codes.values(), codes.indices().clone(), codes.latents());
  EXPECT_TRUE(at::equal(groups.entries, shared.of(copy).entries));
}

TEST(GradientRows, AVectorIsOneRow) {
  const Random random(9);
  at::Tensor b = random.normal_rows(0, 1, 33, at::kDouble).squeeze(0).contiguous();
  const at::Tensor before = b.clone();
  at::Tensor m = at::zeros_like(b), v = at::zeros_like(b);
  Gradient gradient;
  gradient.dense = random.fork("g").normal_rows(0, 1, 33, at::kDouble).squeeze(0);
  ops::GradientRows(b, Constraint::none, gradient).adam(m, v, {.lr = 0.1});
  // The first Adam step moves by lr in the direction of the sign.
  EXPECT_TRUE(at::allclose(before - b, 0.1 * gradient.dense.sign(), 1e-6, 1e-6));
}

}  // namespace
