#include <saffron/ops.h>
#include <saffron/random.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/zeros_like.h>

#include <gtest/gtest.h>

#include <cmath>

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
  const Codes a = ops::encode_topk(x, s.W, {}, 5, false);
  const Codes b = ops::encode_topk(-x, s.W, {}, 3, false);
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
                                         Constraint::non_negative));

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
