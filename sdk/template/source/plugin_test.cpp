#include <saffron/source.h>
#include <saffron/testing/conformance.h>

#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every source promises, one case each

namespace {

std::shared_ptr<saffron::Source> source(double noise) {
  saffron::Value options = saffron::Value::table();
  options.set("components", 3);
  options.set("width", 4);
  options.set("radius", 2.0);
  options.set("noise", noise);
  options.set("block_rows", 1000);
  return saffron::testing::component("source", "@NAME@").make_with<saffron::Source>(options);
}

// Without noise a row is 2 u_z: its norm is 2, and it is the planted sum.
TEST(@CLASS@, RowsAreTheirMeansWithoutNoise) {
  const auto made = source(0);
  const at::Tensor x = made->block(7).streams.at(0);
  EXPECT_LT((x.norm(2, at::IntArrayRef{1}) - 2).abs().max().item<double>(), 1e-5);
  auto& planted = dynamic_cast<saffron::Planted&>(*made);
  const at::Tensor sum = planted.coefficients(7).matmul(planted.features(0));
  EXPECT_LT((x - sum).abs().max().item<double>(), 1e-5);
}

// About its mean a row has squared distance noise^2 d = 0.25 * 4 = 1 on average; over 1000 rows the
// deviation of that average is sqrt(2 / 4 / 1000) = 0.022.
TEST(@CLASS@, NoiseHasItsVariance) {
  const auto made = source(0.5);
  auto& planted = dynamic_cast<saffron::Planted&>(*made);
  const at::Tensor mean = planted.coefficients(0).matmul(planted.features(0));
  const at::Tensor distance = (made->block(0).streams.at(0) - mean).square().sum(1);
  EXPECT_NEAR(distance.mean().item<double>(), 1, 0.1);
}

}  // namespace
