#include <saffron/error.h>
#include <saffron/sparsity_controller.h>

#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

using namespace saffron;

namespace {

constexpr std::int64_t kSteps = 400;

double l0_at(std::int64_t step) {
  const auto t = static_cast<double>(step);
  return 30 + 20 * std::sin(t / 15) + 5 * std::cos(t * 1.7);
}

// The rule as its source spells it, with state of its own.
struct Plain {
  SparsityControlOptions o;
  bool seen = false;
  double smoothed = 0, rate = 0, multiplier = 1;

  void observe(double l0, std::int64_t step, std::int64_t steps) {
    if (!seen) {
      smoothed = l0;
      seen = true;
    } else {
      const double before = smoothed;
      smoothed = o.l0_smoothing * smoothed + (1 - o.l0_smoothing) * l0;
      rate = o.rate_smoothing * rate + (1 - o.rate_smoothing) * (smoothed - before);
    }
    if (static_cast<double>(step) < o.control_start * static_cast<double>(steps)) return;
    const double error = smoothed - o.target_l0;
    const double gain = error * rate < 0 ? o.convergence_gain : 1.0;
    const double adjustment =
        o.control_gain * gain * std::tanh(std::abs(error / o.target_l0) * o.control_scale);
    multiplier *= error > 0 ? 1 + adjustment : 1 - adjustment;
    multiplier = std::clamp(multiplier, o.multiplier_min, o.multiplier_max);
  }
};

TEST(SparsityController, FollowsItsRule) {
  for (const double start : {0.0, 0.3}) {
    for (const double gain : {3e-4, 0.2}) {
      const SparsityControlOptions options{.target_l0 = 28,
                                           .control_start = start,
                                           .l0_smoothing = 0.9,
                                           .control_gain = gain,
                                           .multiplier_min = 0.5,
                                           .multiplier_max = 2};
      SparsityController controller(options);
      Plain plain{options};
      for (std::int64_t step = 0; step < kSteps; ++step) {
        EXPECT_NEAR(controller.multiplier(), plain.multiplier, 1e-9) << step;
        controller.observe(l0_at(step), step, kSteps);
        plain.observe(l0_at(step), step, kSteps);
        EXPECT_NEAR(controller.smoothed_l0(), plain.smoothed, 1e-9);
      }
      EXPECT_NE(controller.multiplier(), 1);
    }
  }
}

TEST(SparsityController, StaysWithinItsBounds) {
  SparsityController up({.target_l0 = 5, .control_gain = 0.5, .multiplier_max = 3});
  SparsityController down({.target_l0 = 50, .control_gain = 0.5, .multiplier_min = 0.2});
  for (std::int64_t step = 0; step < 50; ++step) {
    up.observe(20, step, 50);
    down.observe(20, step, 50);
  }
  EXPECT_NEAR(up.multiplier(), 3, 1e-12);
  EXPECT_NEAR(down.multiplier(), 0.2, 1e-12);
}

TEST(SparsityController, DoesNothingWithoutATarget) {
  SparsityController controller({});
  controller.observe(100, 0, 1);
  EXPECT_EQ(controller.multiplier(), 1);
  EXPECT_TRUE(controller.readings().empty());
  SaeSpec spec;
  controller.declare(spec);
  EXPECT_TRUE(spec.buffers.empty());
  Forward forward;
  controller.show(forward);
  EXPECT_TRUE(forward.terms.empty());
}

TEST(SparsityController, GoesOnFromItsState) {
  const SparsityControlOptions options{.target_l0 = 28, .control_gain = 0.05};
  SparsityController straight(options), resumed(options), bound(options);
  SaeSpec spec;
  bound.declare(spec);
  ASSERT_EQ(spec.buffers.size(), 1u);
  Tensors buffers;
  buffers.set(spec.buffers[0].name, at::zeros(spec.buffers[0].shape, spec.buffers[0].dtype));
  bound.bind(buffers);
  at::Tensor kept;
  for (std::int64_t step = 0; step < 100; ++step) {
    if (step == 40) kept = straight.state();
    straight.observe(l0_at(step), step, 100);
    bound.observe(l0_at(step), step, 100);
  }
  resumed.set_state(kept);
  for (std::int64_t step = 40; step < 100; ++step) resumed.observe(l0_at(step), step, 100);
  EXPECT_TRUE(at::equal(straight.state(), resumed.state()));
  EXPECT_TRUE(at::equal(straight.state(), buffers[spec.buffers[0].name]));
  EXPECT_THROW(resumed.set_state(at::zeros({3}, at::kDouble)), Error);
}

}  // namespace
