#include <saffron/explainer.h>
#include <saffron/testing/conformance.h>

#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

SAFFRON_CONFORMANCE_TESTS();  // what every explainer promises, one case each

namespace {

// Token 7 has strengths 2 and 4: (2 + 4) / (2 + 1) = 2. Token 8 has 0. Token 9 was not seen.
TEST(@CLASS@, IsTheFormula) {
  const auto explainer =
      saffron::testing::component("explainer", "@NAME@").make<saffron::Explainer>();
  saffron::LatentExamples examples;
  examples.name = "student latent 3";
  examples.tokens = at::tensor({7, 8, 8, 7}).to(at::kLong).view({2, 2});
  examples.strengths = at::tensor({2.f, 0.f, 0.f, 4.f}).view({2, 2});
  const auto explanation = explainer->explain(examples);
  const at::Tensor seen = explanation->predict(at::tensor({7, 8, 9}).to(at::kLong).view({1, 3}));
  EXPECT_FLOAT_EQ(seen[0][0].item<float>(), 2);
  EXPECT_FLOAT_EQ(seen[0][1].item<float>(), 0);
  EXPECT_FLOAT_EQ(seen[0][2].item<float>(), 0);
  EXPECT_EQ(explanation->text(), "active at token 7 (2.00)");
}

}  // namespace
