#include "plugins/saes/ica/ica.h"
#include "tests/plugins/saes/support/fitted_fixture.h"

#include <saffron/error.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>

#include <gtest/gtest.h>

using namespace saffron;
using plugins::Ica;
using Signs = ComponentOptions::Signs;

namespace {

Ica::Options options_of(std::int64_t components, double tolerance = 1e-10) {
  return {.components = components,
          .passes = 1000,
          .tolerance = tolerance,
          .whiten = true,
          .codes = {.signs = Signs::both}};
}

TEST(Ica, FindsWhatSklearnFinds) {
  const auto fixture = component_fixture("ica");
  const at::Tensor x = fixture.tensor("x");
  Ica sae(options_of(4));
  FittedFixture fitted(sae, x);
  EXPECT_GT(fitted.fit(x), 3);
  EXPECT_GT(worst_match(fixture.tensor("components"), fitted.parameters["W_enc"]), 1 - 1e-7);
  EXPECT_GT(worst_match(fixture.tensor("mixing"), fitted.parameters["W_dec"]), 1 - 1e-7);
  EXPECT_GT(worst_match(fixture.tensor("codes").t(), fitted.codes(x).t()), 1 - 1e-7);
}

TEST(Ica, RecoversTheSources) {
  const auto fixture = component_fixture("ica");
  const at::Tensor x = fixture.tensor("x"), sources = fixture.tensor("sources");
  Ica sae(options_of(4, 1e-4));
  FittedFixture fitted(sae, x);
  fitted.fit(x);
  EXPECT_GT(worst_match((sources - sources.mean(0)).t(), fitted.codes(x).t()), 0.98);
}

TEST(Ica, CodesAreWhite) {
  const auto fixture = component_fixture("ica");
  const at::Tensor x = fixture.tensor("x");
  Ica sae(options_of(4, 1e-4));
  FittedFixture fitted(sae, x);
  while (fitted.pass(x)) {  // after every pass, the first one too
    const at::Tensor codes = fitted.codes(x);
    const at::Tensor covariance = codes.t().mm(codes) / static_cast<double>(x.size(0));
    EXPECT_TRUE(at::allclose(covariance, at::eye(4, at::kDouble), 1e-9, 1e-9));
    EXPECT_LT(fitted.error(x), 1e-18);
  }
}

TEST(Ica, WithoutWhiteningDirectionsHaveNormOne) {
  const auto fixture = component_fixture("ica");
  const at::Tensor x = fixture.tensor("x");
  Ica::Options options = options_of(3);
  Ica white(options);
  options.whiten = false;
  Ica plain(options);
  FittedFixture a(white, x), b(plain, x);
  a.fit(x);
  b.fit(x);
  EXPECT_LT((b.parameters["W_dec"].norm(2, {1}) - 1).abs().max().item<double>(), 1e-12);
  EXPECT_TRUE(at::allclose(a.reconstruction(x), b.reconstruction(x), 1e-9, 1e-9));
}

TEST(Ica, StopsAfterItsPasses) {
  const at::Tensor x = Random(4).normal_rows(0, 80, 3, at::kDouble);
  Ica::Options options = options_of(0, 1e-300);
  options.passes = 5;
  Ica sae(options);
  FittedFixture fitted(sae, x);
  EXPECT_EQ(fitted.fit(x), 5);
  EXPECT_EQ(sae.save().tensors.size(), 0U);
}

TEST(Ica, AStateAtAnyPointGoesOn) {
  const auto fixture = component_fixture("ica");
  const at::Tensor x = fixture.tensor("x");
  Ica straight(options_of(4, 1e-4));
  FittedFixture a(straight, x);
  const int passes = a.fit(x);
  for (const int stop : {0, 1, passes - 1}) {  // in the middle of this pass
    Ica first(options_of(4, 1e-4)), second(options_of(4, 1e-4));
    FittedFixture b(first, x), c(second, x, 2);
    for (int pass = 0; pass < stop; ++pass) EXPECT_TRUE(b.pass(x));
    b.observe(x, 0, 37);
    second.load(first.save());
    for (const auto& [name, tensor] : b.parameters) at::Tensor(c.parameters[name]).copy_(tensor);
    for (std::int64_t r = 37; r < 600; r += 37)
      c.observe(x, r, std::min<std::int64_t>(r + 37, 600));
    for (bool more = second.end_pass(); more;) more = c.pass(x);
    EXPECT_TRUE(at::equal(a.parameters["W_enc"], c.parameters["W_enc"])) << stop;
  }
}

TEST(Ica, SaysThatRowsSpanTooLittle) {
  at::Tensor x = Random(3).normal_rows(0, 40, 3, at::kDouble);
  x.select(1, 2).copy_(x.select(1, 0));
  Ica sae(options_of(0));
  FittedFixture fitted(sae, x);
  try {
    fitted.pass(x);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(),
              "its 40 rows vary in 2 directions, ica cannot find 3 independent components in them");
    EXPECT_EQ(error.help(), "components = 2, or more rows");
  }
}

}  // namespace
