#include <saffron/testing/gradient_checker.h>

#include <saffron/error.h>
#include <saffron/random.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

#include <cmath>

namespace saffron::testing {
namespace {

using Leaves = std::vector<at::Tensor>;
using ::testing::HasSubstr;

at::Tensor draws(std::uint64_t key, std::int64_t rows, std::int64_t width) {
  return Random(key).normal_rows(0, rows, width, at::kDouble);
}

TEST(NumericDerivative, OfFunctionsWithKnownDerivatives) {
  for (const double x : {-3.0, 0.1, 2.0}) {
    const auto at = [&](double (*f)(double)) {
      return numeric_derivative([&](double h) { return f(x + h); }, 0.05);
    };
    EXPECT_NEAR(at(std::sin).value, std::cos(x), 1e-12);
    EXPECT_NEAR(at(std::exp).value, std::exp(x), 1e-11 * std::exp(x));
    EXPECT_NEAR(at(std::atan).value, 1 / (1 + x * x), 1e-11);
    EXPECT_LT(at(std::exp).error, 1e-10 * std::exp(x));
  }
}

TEST(NumericDerivative, TheErrorSaysWhereThereIsNoDerivative) {
  EXPECT_GT(numeric_derivative([](double h) { return std::abs(1e-7 + h); }).error, 1e-3);
  EXPECT_FALSE(std::isfinite(numeric_derivative([](double) { return std::nan(""); }).error));
}

// x^T A x: gradient (A + A^T) x.
TEST(GradientChecker, AcceptsWhatIsRight) {
  const at::Tensor A = draws(1, 5, 5), x = draws(2, 5, 1);
  const GradientChecker checker(
      [&](const Leaves& leaf) { return (leaf[0] * A.mm(leaf[0])).sum(); });
  EXPECT_TRUE(checker.check({x}).ok());
  const GradientReport report = checker.check({x}, {(A + A.t()).mm(x)});
  EXPECT_TRUE(report.ok()) << report.text();
  EXPECT_EQ(report.compared, 5 + 2);
  EXPECT_LT(report.worst, 1e-10);
}

TEST(GradientChecker, NamesTheEntryThatIsWrong) {
  const at::Tensor x = draws(3, 3, 4);
  const GradientChecker checker([](const Leaves& leaf) { return leaf[0].pow(3).sum(); });
  at::Tensor wrong = 3 * x.square();
  wrong[1][2] += 1e-4;
  const GradientReport report = checker.check({x}, {wrong});
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(report.text(), HasSubstr("leaf 0 [1, 2]: gradient"));
}

TEST(GradientChecker, ADetachedOrMissingGradientIsZero) {
  const GradientChecker checker(
      [](const Leaves& leaf) { return (leaf[0].detach() * leaf[1]).sum(); });
  EXPECT_FALSE(checker.check({at::ones({2}, at::kDouble), at::ones({2}, at::kDouble)}).ok());
  EXPECT_FALSE(GradientChecker([](const Leaves& leaf) { return leaf[0].detach().sum(); })
                   .check({at::ones({2}, at::kDouble)})
                   .ok());
}

TEST(GradientChecker, ANonFiniteGradientIsAMismatch) {
  const GradientChecker checker([](const Leaves& leaf) { return leaf[0].sum(); });
  const at::Tensor nan = at::ones({2}, at::kDouble) * std::nan("");
  EXPECT_FALSE(checker.check({at::ones({2}, at::kDouble)}, {nan}).ok());
}

// A few kinks are no verdict; nothing but kinks is.
TEST(GradientChecker, KinksAreUnresolved) {
  const GradientChecker checker([](const Leaves& leaf) { return leaf[0].abs().sum(); });
  at::Tensor x = at::ones({24}, at::kDouble);
  x[3].fill_(1e-7);
  const GradientReport report = checker.check({x});
  EXPECT_TRUE(report.ok()) << report.text();
  EXPECT_GE(report.unresolved, 1);
  const GradientReport kinks = checker.check({1e-7 * x});
  EXPECT_FALSE(kinks.ok());
  EXPECT_THAT(kinks.text(), HasSubstr("could not be settled"));
}

// A leaf without a single settled derivative is no better for another leaf's many.
TEST(GradientChecker, EachLeafIsJudgedByItself) {
  const GradientChecker checker(
      [](const Leaves& leaf) { return leaf[0].square().sum() + leaf[1].abs().sum(); });
  const at::Tensor many = at::ones({24}, at::kDouble), kinks = at::zeros({3}, at::kDouble);
  const GradientReport report = checker.check({many, kinks}, {2 * many, kinks + 1});
  EXPECT_TRUE(report.mismatches.empty());
  EXPECT_FALSE(report.ok());
  EXPECT_THAT(report.text(), HasSubstr("leaf 1: 5 of 5"));
}

TEST(GradientChecker, ExcusedLeavesAreNotCompared) {
  const auto f = [](const Leaves& leaf) { return (leaf[0].detach() * leaf[1]).sum(); };
  const GradientChecker checker(f, {.excused = {0}});
  EXPECT_TRUE(checker.check({at::ones({2}, at::kDouble), at::ones({2}, at::kDouble)}).ok());
}

TEST(GradientChecker, NothingComparedIsSaid) {
  const GradientChecker checker([](const Leaves& leaf) { return leaf[0].sum(); }, {.excused = {0}});
  const GradientReport report = checker.check({at::ones({2}, at::kDouble)});
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.text(), "nothing was compared");
}

TEST(Noise, TellsFloat32InsideFromFloat64) {
  const auto wide = [](double x) { return std::exp(0.7 + x) * std::sin(1.3 + x); };
  const auto narrow = [](double x) {
    return static_cast<double>(std::exp(static_cast<float>(0.7 + x))) * std::sin(1.3 + x);
  };
  EXPECT_LT(noise_of(wide), 1e-14);
  EXPECT_GT(noise_of(narrow), 1e-10);
}

// On the steps of rounding the entries of Ridders' table agree, on a derivative that is none.
TEST(Noise, StepsOfRoundingAreNoDerivative) {
  const auto steps = [](double x) { return std::round((1 + x) * 1e4) / 1e4; };
  EXPECT_LT(numeric_derivative(steps, 1e-5).error, 1e-6);
  EXPECT_GT(numeric_derivative(steps, 1e-5, 3e-5).error, 1);
}

TEST(GradientChecker, RefusesWhatItCannotCheck) {
  const GradientChecker checker([](const Leaves& leaf) { return leaf[0] * 2; });
  EXPECT_THROW(static_cast<void>(checker.check({at::ones({2}, at::kDouble)})), Error);
  EXPECT_THROW(static_cast<void>(checker.check({at::ones({1}, at::kFloat)})), Error);
}

}  // namespace
}  // namespace saffron::testing
