#include <saffron/testing/conformance.h>
#include <saffron/world.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every world promises, one case each

namespace {

std::shared_ptr<saffron::World> three_states() {
  saffron::Value options = saffron::Value::table();
  options.set("states", 3);
  options.set("slip", 0.25);
  options.set("gamma", 0.5);
  return saffron::testing::component("world", "@NAME@").make_with<saffron::World>(options);
}

// From state 0, right: to 1 with 3/4, off the left end and so to 0 with 1/4.
TEST(@CLASS@, SlipsAsItSays) {
  const auto world = three_states();
  const auto& chain = dynamic_cast<const saffron::TabularWorld&>(*world);
  const at::Tensor& tau = chain.transitions().dense;
  EXPECT_DOUBLE_EQ(tau[0][1][1].item<double>(), 0.75);
  EXPECT_DOUBLE_EQ(tau[0][1][0].item<double>(), 0.25);
  EXPECT_DOUBLE_EQ(tau[0][1][2].item<double>(), 0);
}

// From 1 to 2 `right` pays 1; shaping adds gamma phi(2) - phi(1) = 0.5 * 1 - 0.5 = 0.
// From 2 to 1 it pays 0, and shaping adds 0.5 * 0.5 - 1 = -0.75.
TEST(@CLASS@, PaysAsItSays) {
  const auto world = three_states();
  const at::Tensor& R = dynamic_cast<const saffron::TabularWorld&>(*world).rewards();
  EXPECT_DOUBLE_EQ(R[0][1][1][2].item<double>(), 1);
  EXPECT_DOUBLE_EQ(R[1][1][1][2].item<double>(), 1);
  EXPECT_DOUBLE_EQ(R[1][2][0][1].item<double>(), -0.75);
}

}  // namespace
