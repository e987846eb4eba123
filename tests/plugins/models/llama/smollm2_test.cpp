#include "support.h"
#include "tests/places.h"

#include <saffron/tokenizer.h>

#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>

// The real model, models/SmolLM2-135M-Instruct.Q4_1.gguf (scripts/setup fetches it).

namespace llama_test {
namespace {

class SmolLM2 : public ::testing::Test {
 protected:
  const std::shared_ptr<saffron::Model> model_ =
      open(std::filesystem::path(kSourceDir) / "models/SmolLM2-135M-Instruct.Q4_1.gguf");
};

TEST_F(SmolLM2, SaysWhatItIs) {
  const saffron::ModelInfo& info = model_->info();
  EXPECT_EQ(info.name, "SmolLM2-135M-Instruct (Q4_1)");
  EXPECT_EQ(info.weights, "dequantised from 4-bit Q4_1 blocks, 1 tensor from 8-bit Q8_0");
  EXPECT_EQ(info.layers, 30);
  EXPECT_EQ(info.width, 576);
  EXPECT_EQ(info.heads, 9);
  EXPECT_EQ(info.vocabulary, 49152);
  EXPECT_EQ(info.context, 8192);
  EXPECT_EQ(info.parameters, 134515008);
  EXPECT_EQ(model_->sites().size(), 181u);
}

TEST_F(SmolLM2, PredictsWhatTransformersPredicts) {
  const auto expected = saffron::SafetensorsFile::open(fixture("smollm2.safetensors"));
  const at::Tensor tokens = expected.tensor("tokens").to(at::kLong);
  const at::Tensor ours = logits(*model_, tokens).view({-1, 49152});
  const at::Tensor same = ours.argmax(-1).eq(expected.tensor("top1"));
  EXPECT_GE(same.to(at::kFloat).mean().item<double>(), 0.995);
  const at::Tensor some = ours.index_select(0, expected.tensor("positions"))
                              .index_select(1, expected.tensor("columns"));
  EXPECT_LT(distance(some, expected.tensor("logits")), 1e-3);
}

TEST_F(SmolLM2, KnowsTheCapitalOfFrance) {
  const auto tokenizer = model_->tokenizer();
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer, model_->tokenizer());
  const std::vector<std::int32_t> ids = tokenizer->encode("The capital of France is", false);
  const at::Tensor tokens = at::tensor(std::vector<std::int64_t>(ids.begin(), ids.end()));
  const at::Tensor next =
      at::softmax(logits(*model_, tokens.unsqueeze(0)).select(1, ids.size() - 1), -1);
  const auto best = next.argmax().item<std::int64_t>();
  EXPECT_EQ(tokenizer->bytes(static_cast<std::int32_t>(best)), " Paris");
  EXPECT_NEAR(next.max().item<double>(), 0.773, 0.001);
}

}  // namespace
}  // namespace llama_test
