#include "plugins/saes/batch_topk/batch_topk.h"
#include "tests/plugins/saes/support/reference.h"

#include <ATen/ops/relu.h>
#include <c10/core/GradMode.h>

using namespace saffron;
using plugins::BatchTopK;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24, kK = 3;

BatchTopK::Options options_of(double rate = 0.25) {
  return {.dictionary = {.width = kWidth},
          .dead = {},
          .selection = {.k = {.k = kK}, .threshold_rate = rate}};
}

TEST(BatchTopK, GradientsEqualAutograd) {
  BatchTopK sae(options_of());
  SaeFixture fixture(sae, kD, 5);
  const SaeInput input = rows_of(6, kD);
  const auto got = fixture.gradients(sae, input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor x = input.inputs[0], a = want.pre(x);
  const at::Tensor f = at::relu(a) * largest_of_batch(a, kK * x.size(0));
  mean_square(x - want.decoded(f)).backward();
  expect_gradients(got, want);
}

TEST(BatchTopK, RowsShareABudget) {
  BatchTopK sae(options_of());
  SaeFixture fixture(sae, kD, 7);
  SaeInput input = rows_of(8, kD);
  input.inputs[0].select(0, 0).mul_(20);  // one loud row
  const at::Tensor l0 = sae.forward(input).codes[0].l0();
  EXPECT_EQ(l0.sum().item<std::int64_t>(), kK * 13);
  EXPECT_GT(l0[0].item<std::int64_t>(), kK);
}

TEST(BatchTopK, ThresholdIsARunningMeanOfTheSmallestKept) {
  BatchTopK sae(options_of());
  SaeFixture fixture(sae, kD, 9);
  const auto step = [&](std::uint64_t seed) {
    const SaeInput input = rows_of(seed, kD);
    const Forward forward = sae.forward(input);
    sae.after_step(input, forward);
    return forward.codes[0].values().min().item<double>();
  };
  const at::Tensor& threshold = fixture.buffers["threshold"];
  const double first = step(10);
  EXPECT_DOUBLE_EQ(threshold.item<double>(), first);
  const double second = step(11);
  EXPECT_DOUBLE_EQ(threshold.item<double>(), 0.75 * first + 0.25 * second);
}

// Nothing is kept where nothing is positive: the smallest of no values must not move the threshold.
TEST(BatchTopK, AStepThatKeepsNothingLeavesTheThreshold) {
  BatchTopK sae(options_of());
  SaeFixture fixture(sae, kD, 12);
  at::Tensor threshold = fixture.buffers["threshold"], bias = fixture.parameters["b_enc"];
  threshold.fill_(0.5);
  bias.fill_(-1000);
  const SaeInput input = rows_of(13, kD);
  const Forward forward = sae.forward(input);
  EXPECT_EQ(forward.codes[0].l0().sum().item<std::int64_t>(), 0);
  EXPECT_TRUE(
      at::allclose(forward.reconstructions[0], fixture.parameters["b_dec"].expand({13, kD})));
  sae.after_step(input, forward);
  EXPECT_DOUBLE_EQ(threshold.item<double>(), 0.5);
}

TEST(BatchTopK, EncodesARowWhateverItsCompany) {
  BatchTopK sae(options_of());
  SaeFixture fixture(sae, kD, 14);
  at::Tensor threshold = fixture.buffers["threshold"];
  threshold.fill_(0.4);
  const at::Tensor x = rows_of(15, kD).inputs[0];
  const at::Tensor all = sae.encode({x})[0].to_dense();
  for (std::int64_t r = 0; r < x.size(0); ++r) {
    EXPECT_TRUE(
        at::allclose(sae.encode({x.slice(0, r, r + 1)})[0].to_dense(), all.slice(0, r, r + 1)));
  }
  const CanonicalSae w = sae.canonical();
  EXPECT_EQ(w.activation, "jumprelu");
  const at::Tensor a = at::mm(x - w.b_dec, w.W_enc) + w.b_enc;
  EXPECT_TRUE(at::allclose(a * a.gt(w.threshold), all));
}

}  // namespace
