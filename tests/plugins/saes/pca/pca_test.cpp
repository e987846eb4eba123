#include "plugins/saes/pca/pca.h"
#include "tests/plugins/saes/support/fitted_fixture.h"

#include <saffron/error.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

#include <tuple>

using namespace saffron;
using plugins::Pca;
using Signs = ComponentOptions::Signs;

namespace {

Pca::Options options_of(std::int64_t components, Signs signs = Signs::both, std::int64_t k = 0) {
  return {.components = components, .whiten = false, .codes = {.signs = signs, .k = k}};
}

TEST(Pca, FindsWhatSklearnFinds) {
  const auto fixture = component_fixture("pca");
  const at::Tensor x = fixture.tensor("x");
  Pca sae(options_of(4));
  FittedFixture fitted(sae, x);
  EXPECT_FALSE(fitted.pass(x));
  EXPECT_TRUE(at::allclose(fitted.parameters["b_dec"], fixture.tensor("mean"), 1e-12));
  EXPECT_TRUE(at::allclose((fitted.parameters["W_dec"] * fixture.tensor("components")).sum(1).abs(),
                           at::ones({4}, at::kDouble), 1e-12, 1e-10));
  EXPECT_TRUE(at::allclose(fitted.reconstruction(x), fixture.tensor("reconstruction"), 1e-10));
  EXPECT_TRUE(at::allclose(fitted.codes(x).var(0), fixture.tensor("variances"), 1e-10));
}

TEST(Pca, WhitensAsSklearnDoes) {
  const auto fixture = component_fixture("pca");
  const at::Tensor x = fixture.tensor("x");
  Pca::Options options = options_of(4);
  options.whiten = true;
  Pca sae(options);
  FittedFixture fitted(sae, x);
  fitted.fit(x);
  EXPECT_TRUE(at::allclose(fitted.codes(x).abs(), fixture.tensor("white").abs(), 1e-9, 1e-10));
  EXPECT_TRUE(at::allclose(fitted.reconstruction(x), fixture.tensor("reconstruction"), 1e-10));
}

TEST(Pca, ADirectionWithoutVarianceIsWhitenedToZero) {
  at::Tensor x = Random(3).normal_rows(0, 40, 3, at::kDouble);
  x.select(1, 2).copy_(x.select(1, 0));
  Pca::Options options = options_of(3);
  options.whiten = true;
  Pca sae(options);
  FittedFixture fitted(sae, x);
  fitted.fit(x);
  EXPECT_LT(fitted.codes(x).select(1, 2).abs().max().item<double>(), 1e-12);
  EXPECT_LT(fitted.error(x), 1e-20);
}

TEST(Pca, TheClosedFormOfTwoDimensions) {
  // Four points at +-(2, 1) and +-(1, -2) / 2: axes (2, 1) and (1, -2) of variances 10 / 3 and 2.5 / 3.
  const at::Tensor x = at::tensor({2.0, 1.0, -2.0, -1.0, 0.5, -1.0, -0.5, 1.0}).to(at::kDouble);
  Pca sae(options_of(0));
  FittedFixture fitted(sae, x.view({4, 2}));
  fitted.fit(x.view({4, 2}));
  const at::Tensor want =
      at::tensor({2.0, 1.0, -1.0, 2.0}, at::kDouble).view({2, 2}) / std::sqrt(5.0);
  EXPECT_TRUE(at::allclose(fitted.parameters["W_dec"], want, 1e-14, 1e-14));
}

TEST(Pca, AMeanFarFromZeroCostsNoDigits) {
  const at::Tensor x =
      Random(5).normal_rows(0, 200, 4, at::kDouble) * at::tensor({1.0, 2.0, 3.0, 4.0}, at::kDouble);
  Pca near(options_of(0)), far(options_of(0));
  FittedFixture a(near, x), b(far, x + 1e7);
  a.fit(x);
  b.fit(x + 1e7);
  EXPECT_TRUE(at::allclose(a.parameters["W_dec"], b.parameters["W_dec"], 0, 1e-7));
}

// sparse_coding's PCA encoder projects rows that still have their mean.
TEST(Pca, EncodingSubtractsTheMean) {
  const at::Tensor x = Random(6).normal_rows(0, 100, 5, at::kDouble) + 9;
  Pca sae(options_of(2));
  FittedFixture fitted(sae, x);
  fitted.fit(x);
  EXPECT_LT(fitted.codes(x).mean(0).abs().max().item<double>(), 1e-12);
}

TEST(Pca, SplitCodesAreTheTwoSigns) {
  const at::Tensor x = Random(7).normal_rows(0, 60, 6, at::kDouble);
  for (const std::int64_t k : {0, 2}) {
    Pca both(options_of(4, Signs::both, k)), split(options_of(4, Signs::split, k));
    Pca half(options_of(4, Signs::rectified, k));
    FittedFixture a(both, x), b(split, x), c(half, x);
    a.fit(x);
    b.fit(x);
    c.fit(x);
    EXPECT_EQ(b.spec.latents, 8);
    EXPECT_EQ(b.spec.max_active, k > 0 ? k : 4);
    const at::Tensor codes = b.codes(x);
    EXPECT_GE(codes.min().item<double>(), 0);
    EXPECT_TRUE(at::equal(codes.slice(1, 0, 4) - codes.slice(1, 4), a.codes(x))) << k;
    EXPECT_LE(codes.gt(0).sum(1).max().item<std::int64_t>(), *b.spec.max_active);
    EXPECT_TRUE(at::allclose(a.reconstruction(x), b.reconstruction(x), 1e-12, 1e-12)) << k;
    EXPECT_GE(c.codes(x).min().item<double>(), 0);
    if (k == 0) {
      EXPECT_TRUE(at::equal(c.codes(x), a.codes(x).clamp_min(0)));
    }
  }
}

TEST(Pca, KeepsTheLargestByMagnitude) {
  const at::Tensor x = Random(8).normal_rows(0, 50, 6, at::kDouble);
  Pca all(options_of(0)), some(options_of(0, Signs::both, 2));
  FittedFixture a(all, x), b(some, x);
  a.fit(x);
  b.fit(x);
  const at::Tensor c = a.codes(x);
  const at::Tensor least = std::get<0>(c.abs().topk(2, 1)).select(1, 1).unsqueeze(1);
  EXPECT_TRUE(at::allclose(b.codes(x), c * c.abs().ge(least), 1e-12, 1e-12));
}

TEST(Pca, AStateInTheMiddleOfAPassGoesOn) {
  const at::Tensor x = Random(9).normal_rows(0, 60, 5, at::kDouble);
  Pca straight(options_of(3)), first(options_of(3)), second(options_of(3));
  FittedFixture a(straight, x), b(first, x), c(second, x);
  a.pass(x, 20);
  b.observe(x, 0, 20);
  second.load(first.save());
  for (const std::int64_t r : {20, 40}) c.observe(x, r, r + 20);
  EXPECT_FALSE(second.end_pass());
  EXPECT_TRUE(at::equal(a.parameters["W_dec"], c.parameters["W_dec"]));
  EXPECT_EQ(second.save().tensors.size(), 0U);  // nothing is kept of what is over
}

TEST(Pca, RefusesWhatCannotBe) {
  Pca many(options_of(7)), k(options_of(3, Signs::split, 4));
  const SaeShape six{{{"x", 6}}, {{"x", 6}}}, other{{{"x", 6}}, {{"y", 6}}};
  try {
    static_cast<void>(many.declare(six));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "pca finds at most 6 components in rows of width 6, not 7");
  }
  try {
    static_cast<void>(k.declare(six));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "pca cannot keep k = 4 of 3 components");
  }
  EXPECT_THROW(static_cast<void>(Pca(options_of(0)).declare(other)), Error);
}

}  // namespace
