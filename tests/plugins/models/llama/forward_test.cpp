#include "support.h"

#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randint.h>
#include <gmock/gmock.h>

// The forward pass against recorded passes of transformers (tests/fixtures/llama).

namespace llama_test {
namespace {

using ::testing::HasSubstr;

class Tiny : public ::testing::TestWithParam<const char*> {
 protected:
  saffron::SafetensorsFile expected_ =
      saffron::SafetensorsFile::open(fixture(std::string(GetParam()) + ".safetensors"));
  at::Tensor tokens_ = expected_.tensor("tokens");
  std::shared_ptr<saffron::Model> model_ = open(fixture(GetParam()));
};

INSTANTIATE_TEST_SUITE_P(Folders, Tiny, ::testing::Values("tiny", "tiny_qwen2"),
                         [](const auto& given) { return std::string(given.param); });

TEST_P(Tiny, LogitsAndEveryTapEqualTransformers) {
  const auto taps = names(*model_);
  ASSERT_EQ(taps.size(), 13u);
  const saffron::RunResult result = model_->run(tokens_, taps, {}, true);
  EXPECT_LT(distance(result.logits, expected_.tensor("logits")), 2e-5);
  for (std::size_t i = 0; i < taps.size(); ++i) {
    EXPECT_LT(distance(result.taps[i], expected_.tensor("tap." + taps[i])), 1e-5) << taps[i];
  }
}

// Buffers are reused unless they are tapped: each tap alone takes another path through them.
TEST_P(Tiny, ATapAloneIsTheSameAsAmongOthers) {
  const auto taps = names(*model_);
  const saffron::RunResult all = model_->run(tokens_, taps, {}, true);
  for (std::size_t i = 0; i < taps.size(); ++i) {
    const saffron::RunResult alone = model_->run(tokens_, {&taps[i], 1}, {}, i % 2 == 0);
    EXPECT_TRUE(at::equal(alone.taps[0], all.taps[i])) << taps[i];
    EXPECT_EQ(alone.logits.defined(), i % 2 == 0);
    if (alone.logits.defined()) {
      EXPECT_TRUE(at::equal(alone.logits, all.logits)) << taps[i];
    }
  }
}

TEST(Forward, GgufEqualsTheFolderThatItWasMadeFrom) {
  const at::Tensor tokens =
      saffron::SafetensorsFile::open(fixture("tiny.safetensors")).tensor("tokens");
  const auto folder = open(fixture("tiny")), file = open(fixture("tiny.gguf"));
  EXPECT_TRUE(at::equal(logits(*folder, tokens), logits(*file, tokens)));
}

TEST(Forward, Float64AgreesWithFloat32) {
  const at::Tensor tokens =
      saffron::SafetensorsFile::open(fixture("tiny.safetensors")).tensor("tokens");
  const auto narrow = open(fixture("tiny")), wide = open(fixture("tiny"), "float64");
  const at::Tensor exact = logits(*wide, tokens);
  EXPECT_EQ(exact.scalar_type(), at::kDouble);
  EXPECT_LT(distance(logits(*narrow, tokens).to(at::kDouble), exact), 2e-5);
}

TEST(Forward, TapsOfOneValueHaveMemoryOfTheirOwn) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {2, 5}, at::kLong);
  const std::vector<std::string> taps = {"layers.0.resid_post", "layers.1.resid_pre",
                                         "layers.1.resid_pre", "embed", "layers.0.resid_pre"};
  const saffron::RunResult result = model->run(tokens, taps, {}, false);
  EXPECT_TRUE(at::equal(result.taps[0], result.taps[1]));
  EXPECT_TRUE(at::equal(result.taps[3], result.taps[4]));
  result.taps[0].zero_();
  result.taps[3].zero_();
  EXPECT_GT(result.taps[1].abs().max().item<double>(), 0);
  EXPECT_TRUE(at::equal(result.taps[1], result.taps[2]));
  EXPECT_GT(result.taps[4].abs().max().item<double>(), 0);
}

// 300 and 4200 rows: several tiles, the last one short, and both tile sizes.
TEST(Forward, TilesDoNotChangeTheResult) {
  const auto model = open(fixture("tiny"));
  for (const std::int64_t batch : {5, 70}) {
    const at::Tensor tokens = at::randint(97, {batch, 60}, at::kLong);
    const at::Tensor together = logits(*model, tokens);
    std::vector<at::Tensor> alone;
    for (std::int64_t b = 0; b < batch; ++b)
      alone.push_back(logits(*model, tokens.narrow(0, b, 1)));
    EXPECT_LT(distance(together, at::cat(alone)), 2e-5);
  }
}

TEST(Forward, ResultsDoNotDependOnTheNumberOfThreads) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {9, 60}, at::kLong);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor one = logits(*model, tokens);
  at::set_num_threads(3);
  const at::Tensor three = logits(*model, tokens);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one, three));
}

TEST(Forward, LaterTokensChangeNothingBefore) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {3, 20}, at::kLong);
  at::Tensor changed = tokens.clone();
  changed.narrow(1, 12, 8).fill_(5);
  const at::Tensor a = logits(*model, tokens), b = logits(*model, changed);
  EXPECT_TRUE(at::equal(a.narrow(1, 0, 12), b.narrow(1, 0, 12)));
  EXPECT_FALSE(at::equal(a, b));
}

TEST(Forward, OnlyTheLayersThatARunNeedsAreRead) {
  const ReadingContext context;
  const auto model = open(fixture("tiny"), "float32", context);
  EXPECT_TRUE(context.seen.empty());  // opening reads headers only
  const at::Tensor tokens = at::randint(97, {1, 4}, at::kLong);
  const std::vector<std::string> taps = {"layers.0.resid_post"};
  (void)model->run(tokens, taps, {}, false);
  EXPECT_EQ(context.seen.back(), std::make_pair(std::int64_t{2}, std::int64_t{2}));
  context.seen.clear();
  (void)model->run(tokens, {}, {}, true);
  EXPECT_EQ(context.seen.back(), std::make_pair(std::int64_t{2}, std::int64_t{2}));
  context.seen.clear();
  (void)model->run(tokens, taps, {}, true);
  EXPECT_TRUE(context.seen.empty());
}

TEST(Forward, AStopWhileReadingIsSaidAndTheNextRunWorks) {
  ReadingContext context;
  const auto model = open(fixture("tiny"), "float32", context);
  const at::Tensor tokens = at::randint(97, {1, 4}, at::kLong);
  context.stop = true;
  EXPECT_THAT(error_of([&] { (void)logits(*model, tokens); }), HasSubstr("stopped while reading"));
  context.stop = false;
  EXPECT_TRUE(at::equal(logits(*model, tokens), logits(*open(fixture("tiny")), tokens)));
}

TEST(Forward, NothingAskedForIsNothingDone) {
  const ReadingContext context;
  const auto model = open(fixture("tiny"), "float32", context);
  const saffron::RunResult result = model->run(at::randint(97, {1, 4}, at::kLong), {}, {}, false);
  EXPECT_TRUE(result.taps.empty());
  EXPECT_FALSE(result.logits.defined());
  EXPECT_TRUE(context.seen.empty());
}

TEST(Forward, WrongInputsAreSaid) {
  const auto model = open(fixture("tiny"));
  const at::Tensor tokens = at::randint(97, {2, 5}, at::kLong);
  const auto run = [&](const at::Tensor& t) { return error_of([&] { (void)logits(*model, t); }); };
  EXPECT_THAT(run(tokens.to(at::kInt)), HasSubstr("tokens are Int [2, 5], expected int64"));
  EXPECT_THAT(run(tokens.view({-1})), HasSubstr("expected int64 [sequences, positions]"));
  EXPECT_THAT(run(tokens.narrow(1, 0, 0)), HasSubstr("[2, 0]"));
  EXPECT_THAT(run(at::Tensor()), HasSubstr("tokens are undefined"));
  EXPECT_THAT(run(tokens + 97), HasSubstr("is outside the vocabulary of tiny, 0 to 96"));
  EXPECT_THAT(run(tokens - 97), HasSubstr("is outside the vocabulary of tiny, 0 to 96"));
  EXPECT_THAT(run(at::randint(97, {1, 65}, at::kLong)),
              HasSubstr("65 positions exceed the context of tiny, 64"));
  const std::vector<std::string> taps = {"layers.1.resid_posst"};
  const std::string unknown = error_of([&] { (void)model->run(tokens, taps, {}, false); });
  EXPECT_THAT(unknown, HasSubstr("the model tiny has no site 'layers.1.resid_posst'"));
  EXPECT_THAT(unknown, HasSubstr("did you mean 'layers.1.resid_post'?"));
  EXPECT_THAT(unknown, HasSubstr("L = 0 to 1"));
}

}  // namespace
}  // namespace llama_test
