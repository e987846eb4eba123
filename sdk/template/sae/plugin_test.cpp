#include <saffron/error.h>
#include <saffron/sae.h>
#include <saffron/testing/conformance.h>

#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every SAE promises, one case each

namespace {

std::shared_ptr<saffron::Sae> two_latents() {
  saffron::Value options = saffron::Value::table();
  options.set("width", 2);
  return saffron::testing::component("sae", "@NAME@").make_with<saffron::Sae>(options);
}

// d = 2, W_enc = W_dec = 1, b_enc = (-0.5, 0), b_dec = (1, 1).
// x = (3, 0): x - b_dec = (2, -1), f = (1.5, 0), xhat = (2.5, 1).
TEST(@CLASS@, IsTheFormula) {
  const auto sae = two_latents();
  (void)sae->declare({.reads = {{"x", 2}}, .predicts = {{"x", 2}}});
  const at::Tensor one = at::tensor({1.0, 0.0, 0.0, 1.0}).view({2, 2});
  saffron::Tensors parameters;
  parameters.set("W_enc", one.clone());
  parameters.set("b_enc", at::tensor({-0.5, 0.0}));
  parameters.set("W_dec", one.clone());
  parameters.set("b_dec", at::tensor({1.0, 1.0}));
  sae->bind(parameters, {});

  const auto codes = sae->encode({at::tensor({3.0, 0.0}).view({1, 2})});
  ASSERT_EQ(codes.size(), 1u);
  EXPECT_EQ(codes[0].l0().item<std::int64_t>(), 1);
  EXPECT_DOUBLE_EQ(codes[0].column(0).item<double>(), 1.5);
  const at::Tensor xhat = sae->decode(codes).at(0);
  EXPECT_DOUBLE_EQ(xhat[0][0].item<double>(), 2.5);
  EXPECT_DOUBLE_EQ(xhat[0][1].item<double>(), 1.0);
}

TEST(@CLASS@, RefusesToPredictAnotherWidth) {
  EXPECT_THROW((void)two_latents()->declare({.reads = {{"x", 2}}, .predicts = {{"y", 3}}}),
               saffron::Error);
}

}  // namespace
