#include "plugins/saes/nmf/nmf.h"
#include "plugins/saes/nmf/least_squares.h"
#include "tests/plugins/saes/support/fitted_fixture.h"

#include <saffron/error.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <gtest/gtest.h>

#include <limits>

using namespace saffron;
using plugins::Nmf;

namespace {

using Method = Nmf::Method;
using Shift = Nmf::Shift;

at::Tensor signed_rows() {
  return Random(5)
             .normal_rows(0, 90, 3, at::kDouble)
             .mm(Random(6).normal_rows(0, 3, 7, at::kDouble)) +
         0.5;
}

TEST(Nmf, CodesAreLeastSquaresAsScipySolvesThem) {
  const auto fixture = component_fixture("nmf");
  const at::Tensor x = fixture.tensor("x"), D = fixture.tensor("dictionary");
  const at::Tensor f = plugins::non_negative_codes(x, D);
  EXPECT_GE(f.min().item<double>(), 0);
  // D has more rows than dimensions: the reconstruction is what is unique.
  EXPECT_TRUE(at::allclose(f.mm(D), fixture.tensor("reconstruction"), 1e-4, 1e-5));
}

// The optimum's conditions: the gradient is 0 where f > 0 and not below 0 elsewhere.
TEST(Nmf, CodesMeetTheOptimumsConditions) {
  const at::Tensor x = Random(1).normal_rows(0, 25, 9, at::kDouble);
  const at::Tensor D = Random(2).normal_rows(0, 6, 9, at::kDouble);
  const at::Tensor f = plugins::non_negative_codes(x, D);
  const at::Tensor slope = (f.mm(D) - x).mm(D.t());
  EXPECT_GE(f.min().item<double>(), 0);
  EXPECT_LT((slope * f.gt(0)).abs().max().item<double>(), 1e-6);
  EXPECT_GT(slope.min().item<double>(), -1e-6);
}

TEST(Nmf, FitsAsWellAsSklearn) {
  const auto fixture = component_fixture("nmf");
  const at::Tensor x = fixture.tensor("x");
  Nmf sae({.width = 4, .passes = 2000, .tolerance = 1e-9});
  FittedFixture fitted(sae, x);
  fitted.fit(x);
  EXPECT_LT(fitted.error(x), 1.02 * fixture.tensor("error").item<double>());
  EXPECT_GE(fitted.parameters["W_dec"].min().item<double>(), 0);
  EXPECT_LT((fitted.parameters["W_dec"].norm(2, {1}) - 1).abs().max().item<double>(), 1e-12);
}

TEST(Nmf, NoPassAfterTheFirstRaisesTheError) {
  const auto fixture = component_fixture("nmf");
  for (const Method method : {Method::nmf, Method::semi}) {
    const at::Tensor x = method == Method::nmf ? fixture.tensor("x") : signed_rows();
    Nmf sae({.width = 5, .method = method, .passes = 40, .tolerance = 0});
    FittedFixture fitted(sae, x);
    double before = std::numeric_limits<double>::infinity();
    const double start = fitted.error(x);
    for (bool more = true; more;) {
      more = fitted.pass(x);
      const double now = fitted.error(x);
      EXPECT_LE(now, before * (1 + 1e-6));
      before = now;
    }
    EXPECT_LT(before, 0.5 * start);
  }
}

TEST(Nmf, SemiTakesRowsOfBothSigns) {
  const at::Tensor x = signed_rows();
  for (const Shift shift : {Shift::none, Shift::mean}) {
    // Three directions of both signs and a constant.
    Nmf sae({.width = 8, .method = Method::semi, .shift = shift, .passes = 300, .tolerance = 1e-8});
    FittedFixture fitted(sae, x);
    fitted.fit(x);
    EXPECT_LT(fitted.error(x), 0.01 * (x - x.mean(0)).square().sum().item<double>());
    EXPECT_GE(fitted.codes(x).min().item<double>(), 0);
    EXPECT_LT(fitted.parameters["W_dec"].min().item<double>(), 0);
  }
}

TEST(Nmf, NamesTheFirstNegativeAndItsPlace) {
  at::Tensor x = component_fixture("nmf").tensor("x").clone();
  Nmf sae({.width = 4});
  FittedFixture fitted(sae, x);
  x[50][3] = -0.25;
  x[60][1] = -1;
  try {
    fitted.pass(x);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::numeric);
    EXPECT_EQ(error.message(),
              "dimension 3 of training row 50 is -0.25, nmf takes rows that are not negative");
    EXPECT_NE(error.help().find("shift"), std::string::npos);
  }
}

TEST(Nmf, ShiftedByTheMinimumItTakesAnyRows) {
  const at::Tensor x = signed_rows();
  Nmf sae({.width = 7, .shift = Shift::minimum, .passes = 50});
  FittedFixture fitted(sae, x);
  fitted.fit(x);
  EXPECT_TRUE(at::equal(fitted.parameters["b_dec"], std::get<0>(x.min(0))));
  EXPECT_LT(fitted.error(x), 0.1 * (x - x.mean(0)).square().sum().item<double>());
}

// overcomplete starts codes at random at every encoding.
TEST(Nmf, EncodingTwiceGivesTheSameCodesAndSoDoesAnotherBatch) {
  const at::Tensor x = component_fixture("nmf").tensor("x");
  Nmf sae({.width = 20, .passes = 3});
  FittedFixture fitted(sae, x);
  fitted.fit(x);
  const at::Tensor codes = fitted.codes(x);
  EXPECT_TRUE(at::equal(codes, fitted.codes(x)));
  EXPECT_TRUE(at::allclose(codes.slice(0, 30, 50), fitted.codes(x.slice(0, 30, 50)), 1e-6, 1e-8));
}

TEST(Nmf, AStateAtAnyPointGoesOn) {
  const at::Tensor x = component_fixture("nmf").tensor("x");
  const Nmf::Options options{.width = 5, .passes = 6, .tolerance = 0};
  Nmf straight(options);
  FittedFixture a(straight, x);
  EXPECT_EQ(a.fit(x), 6);
  for (const int stop : {0, 1, 5}) {
    Nmf first(options), second(options);
    FittedFixture b(first, x), c(second, x, 9);
    for (int pass = 0; pass < stop; ++pass) EXPECT_TRUE(b.pass(x));
    b.observe(x, 0, 37);
    second.load(first.save());
    for (const auto& [name, tensor] : b.parameters) at::Tensor(c.parameters[name]).copy_(tensor);
    for (std::int64_t r = 37; r < 120; r += 37)
      c.observe(x, r, std::min<std::int64_t>(r + 37, 120));
    for (bool more = second.end_pass(); more;) more = c.pass(x);
    EXPECT_TRUE(at::equal(a.parameters["W_dec"], c.parameters["W_dec"])) << stop;
  }
  EXPECT_EQ(straight.save().tensors.size(), 1U);  // the errors
}

TEST(Nmf, TheMeanNeedsSemi) {
  Nmf::Options options;
  Decoded nmf, semi;
  Nmf::schema().decode(from_json(R"({"shift": "mean"})", "test"), &options, nmf);
  Nmf::schema().decode(from_json(R"({"shift": "mean", "method": "semi"})", "test"), &options, semi);
  EXPECT_FALSE(nmf.ok());
  EXPECT_TRUE(semi.ok());
}

}  // namespace
