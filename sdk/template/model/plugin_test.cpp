#include <saffron/error.h>
#include <saffron/model.h>
#include <saffron/testing/conformance.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every model promises, one case each

namespace {

std::shared_ptr<saffron::Model> model() {
  return saffron::testing::component("model", "@NAME@").make<saffron::Model>();
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// With "embed" set to 1, 2, 3 at the three positions: means 1, 1.5, 2 and sums 2, 3.5, 5.
TEST(@CLASS@, IsTheFormula) {
  const at::Tensor steps = at::tensor({1.f, 2.f, 3.f}).view({1, 3, 1});
  const std::vector<saffron::Edit> edits = {
      {"embed", [&](const at::Tensor& h) { return at::Tensor(steps.expand_as(h)); }}};
  const std::vector<std::string> taps = {"layers.0.resid_post", "layers.0.attn_out"};
  const auto made = model();
  const auto result =
      made->run(at::tensor({7, 8, 9}).to(at::kLong).view({1, 3}), taps, edits, false);
  ASSERT_EQ(result.taps.size(), 2u);
  EXPECT_FALSE(result.logits.defined());
  EXPECT_LT(distance(result.taps[1], at::tensor({1.f, 1.5f, 2.f}).view({1, 3, 1})), 1e-6);
  EXPECT_LT(distance(result.taps[0], at::tensor({2.f, 3.5f, 5.f}).view({1, 3, 1})), 1e-6);
}

TEST(@CLASS@, SuggestsASite) {
  const std::vector<std::string> taps = {"layers.0.resid_pots"};
  try {
    (void)model()->run(at::tensor({7}).to(at::kLong).view({1, 1}), taps, {}, false);
    FAIL() << "there is no such site";
  } catch (const saffron::Error& error) {
    EXPECT_EQ(error.help(), "did you mean 'layers.0.resid_post'?");
  }
}

}  // namespace
