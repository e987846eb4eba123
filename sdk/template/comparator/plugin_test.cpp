#include <saffron/comparator.h>
#include <saffron/testing/conformance.h>

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every comparator promises, one case each

namespace {

// Two states, one action that goes to either with probability 1/2: each of the four transitions is
// covered 1/4.
class Coin final : public saffron::World, public saffron::TabularWorld {
 public:
  Coin() {
    info_.rewards = {"a", "b", "zero"};
    transitions_.states = 2;
    transitions_.actions = 1;
    transitions_.dense = at::full({2, 1, 2}, 0.5, at::kDouble);
    rewards_ =
        at::tensor({4.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0}).view({3, 2, 1, 2});
  }
  const saffron::WorldInfo& info() const override { return info_; }
  double gamma() const override { return 0.5; }
  const at::Tensor& mu0() const override { return half_; }
  const saffron::Transitions& transitions() const override { return transitions_; }
  const at::Tensor& rewards() const override { return rewards_; }
  const at::Tensor& policy() const override { return policy_; }
  const at::Tensor& state_distribution() const override { return half_; }
  const at::Tensor& action_distribution() const override { return one_; }
  const at::Tensor& terminal() const override { return terminal_; }

 private:
  saffron::WorldInfo info_;
  saffron::Transitions transitions_;
  at::Tensor rewards_, half_ = at::full({2}, 0.5, at::kDouble);
  at::Tensor one_ = at::full({1}, 1.0, at::kDouble), policy_ = at::full({2, 1}, 1.0, at::kDouble);
  at::Tensor terminal_ = at::zeros({2}, at::kBool);
};

// E|a| = 1 and E|b| = 2, so that s(a) = (4, 0, 0, 0) and s(b) = (1, 1, 1, 1):
// (3 + 1 + 1 + 1) / 4 = 1.5.
TEST(@CLASS@, IsTheFormula) {
  const auto comparator =
      saffron::testing::component("comparator", "@NAME@").make<saffron::Comparator>();
  const saffron::Comparison found = comparator->compare(Coin());
  const at::Tensor d = found.metrics.at(0).values;
  EXPECT_DOUBLE_EQ(d[0][1].item<double>(), 1.5);
  EXPECT_DOUBLE_EQ(d[0][2].item<double>(), 1);  // to a reward that is 0: E|s(a)|
  EXPECT_EQ(found.degenerate.size(), 1u);
}

}  // namespace
