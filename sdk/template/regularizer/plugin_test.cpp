#include <saffron/regularizer.h>
#include <saffron/testing/conformance.h>
#include <saffron/testing/fake_step.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every regularizer promises, one case each

namespace {

using saffron::Codes;
using saffron::testing::FakeTrainStep;

double penalty_of(const Codes& codes) {
  const auto regularizer =
      saffron::testing::component("regularizer", "@NAME@").make<saffron::Regularizer>();
  FakeTrainStep step;
  step.add("student").codes.push_back(codes);
  return regularizer->penalty(step).item<double>();
}

// (3, 4, 0): 7^2 / 25 = 1.96.  (0, 0, 2): 1.  Their mean is 1.48.
TEST(@CLASS@, IsTheFormula) {
  const at::Tensor f = at::tensor({3.0, 4.0, 0.0, 0.0, 0.0, 2.0}).view({2, 3});
  EXPECT_NEAR(penalty_of(Codes::dense(f)), 1.48, 1e-12);
  EXPECT_NEAR(penalty_of(Codes::from_dense(f)), 1.48, 1e-12);
}

TEST(@CLASS@, DoesNotSeeTheScaleOfTheCodes) {
  const at::Tensor f = at::tensor({3.0, 4.0, 1.0}).view({1, 3});
  EXPECT_NEAR(penalty_of(Codes::dense(f * 100)), penalty_of(Codes::dense(f)), 1e-12);
}

}  // namespace
