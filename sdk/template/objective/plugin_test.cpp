#include <saffron/objective.h>
#include <saffron/testing/conformance.h>
#include <saffron/testing/fake_step.h>

#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every objective promises, one case each

namespace {

// delta = 1, errors (0.5, 3) and (0, -1): (0.125 + 2.5 + 0 + 0.5) / 2 rows = 1.5625.
TEST(@CLASS@, IsTheFormula) {
  const auto objective =
      saffron::testing::component("objective", "@NAME@").make<saffron::Objective>();
  saffron::testing::FakeTrainStep step;
  auto& student = step.add("student");
  student.sae.predicts = {0};
  student.targets = {at::tensor({1.0, 2.0, 3.0, 4.0}).view({2, 2})};
  student.reconstructions = {at::tensor({1.5, 5.0, 3.0, 3.0}).view({2, 2})};
  EXPECT_NEAR(objective->loss(step).item<double>(), 1.5625, 1e-12);
}

}  // namespace
