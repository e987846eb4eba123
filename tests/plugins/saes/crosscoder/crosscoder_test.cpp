#include "plugins/saes/crosscoder/crosscoder.h"
#include "plugins/saes/topk/topk.h"
#include "tests/caught.h"
#include "tests/identical.h"
#include "tests/plugins/saes/support/reference.h"
#include "tests/plugins/saes/support/streams.h"

#include <c10/core/GradMode.h>

#include <gmock/gmock.h>

#include <tuple>

using namespace saffron;
using plugins::Crosscoder;
using Activation = Crosscoder::Activation;
using Penalty = WeightedPenaltyOptions::Penalty;

namespace {

constexpr std::int64_t kWidth = 20, kK = 4;
const std::vector<std::int64_t> kWidths{5, 3, 4};

SaeShape shape() { return {streams_of("s", kWidths), streams_of("s", kWidths)}; }

SaeInput input_of(std::uint64_t seed) { return streams_input(seed, kWidths, kWidths); }

Crosscoder::Options options_of(Activation activation, DecoderNorm norm = DecoderNorm::sum,
                               Penalty penalty = Penalty::l1) {
  Crosscoder::Options options;
  options.dictionary.width = kWidth;
  options.dictionary.decoder_norm = 0.7;
  options.activation = activation;
  options.penalty = {.penalty = penalty, .coef = 0.3, .warmup = 0, .tanh_scale = 2, .norm = norm};
  options.selection.k.k = kK;
  options.jump = {.threshold_init = 0.4, .bandwidth = 0.5};
  return options;
}

// 1 where an entry of a dense [B, F] is kept.
at::Tensor kept(const Crosscoder::Options& options, const at::Tensor& a, const at::Tensor& n,
                const at::Tensor& theta) {
  const at::Tensor weighted = a.detach().clamp_min(0) * n.detach();
  switch (options.activation) {
    case Activation::topk: {
      const at::Tensor chosen = std::get<1>(weighted.topk(kK, 1));
      return at::zeros_like(a.detach()).scatter(1, chosen, 1.0) * a.detach().gt(0);
    }
    case Activation::batch_topk: return largest_of_batch(weighted, kK * a.size(0));
    case Activation::jumprelu: return a.detach().gt(theta).to(at::kDouble);
    case Activation::relu: break;
  }
  return a.detach().gt(0).to(at::kDouble);
}

struct Expected {
  at::Tensor codes, reconstructions, threshold;
  double penalty = 0;
};

// The whole step on dense matrices in float64. The penalty is differentiated by autograd, the threshold has
// its published pseudo-gradient.
Expected expected(Reference& want, const SaeInput& input, const Crosscoder::Options& options) {
  const at::Tensor x = at::cat(input.inputs, 1), y = at::cat(input.targets, 1);
  at::Tensor a = want.leaf["b_enc"];
  for (std::int64_t m = 0, from = 0; m < 3; from += kWidths[static_cast<std::size_t>(m++)]) {
    const std::int64_t to = from + kWidths[static_cast<std::size_t>(m)];
    a = a + at::mm(input.inputs[static_cast<std::size_t>(m)],
                   want.leaf["W_enc"].slice(1, from, to).t());
  }
  const at::Tensor n = norms_of(options.penalty.norm, want.leaf["W_dec"], kWidths);
  const bool jumps = options.activation == Activation::jumprelu;
  const at::Tensor theta = jumps ? want.leaf["threshold"].detach() : at::Tensor();
  const at::Tensor f = a * kept(options, a, n, theta);
  const at::Tensor values = f.detach().requires_grad_(true);
  Expected out{.codes = f.detach(), .reconstructions = want.decoded(values), .threshold = {}};
  at::Tensor loss = mean_square(y - out.reconstructions);
  if (options.penalty.penalty != Penalty::none) {
    const at::Tensor own = penalty_of(options.penalty, values, n);
    out.penalty = own.item<double>();
    loss = loss + options.penalty.coef * own;
  }
  loss.backward();
  if (!jumps) {
    f.backward(values.grad());
    return out;
  }
  const double eps = options.jump.bandwidth;
  const at::Tensor rect = (a.detach() - theta).abs().lt(eps / 2).to(at::kDouble) / eps;
  const at::Tensor kernel = values.grad() * theta * rect;
  const at::Tensor passed = values.grad() * kept(options, a, n, theta);
  a.backward(options.jump.ste_to_input ? passed + kernel : passed);
  out.threshold = -kernel.sum(0);
  return out;
}

using Case = std::tuple<Activation, DecoderNorm, Penalty, bool>;
class CrosscoderLoss : public testing::TestWithParam<Case> {};

TEST_P(CrosscoderLoss, IsThatOfPlainAutograd) {
  const auto [activation, norm, penalty, to_input] = GetParam();
  Crosscoder::Options options = options_of(activation, norm, penalty);
  options.jump.ste_to_input = to_input;
  Crosscoder sae(options);
  SaeFixture fixture(sae, shape(), 3);
  const SaeInput input = input_of(4);
  const auto got = fixture.gradients(sae, input);
  const Forward forward = sae.forward(input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const Expected by_formula = expected(want, input, options);
  expect_gradients(got, want);
  EXPECT_TRUE(at::allclose(forward.codes[0].to_dense(), by_formula.codes, 1e-9, 1e-11));
  EXPECT_TRUE(
      at::allclose(at::cat(forward.reconstructions, 1), by_formula.reconstructions, 1e-9, 1e-11));
  if (activation == Activation::jumprelu) {
    EXPECT_TRUE(at::allclose(got.at("threshold"), by_formula.threshold, 1e-9, 1e-11));
    EXPECT_GT(by_formula.threshold.abs().max().item<double>(), 0);
  }
  ASSERT_EQ(forward.terms.size(), penalty == Penalty::none ? 0u : 1u);
  if (penalty == Penalty::none) return;
  EXPECT_NEAR(forward.terms[0].value.item<double>(), by_formula.penalty, 1e-10);
  EXPECT_DOUBLE_EQ(forward.terms[0].weight, options.penalty.coef);
}

INSTANTIATE_TEST_SUITE_P(
    All, CrosscoderLoss,
    testing::Combine(testing::Values(Activation::relu, Activation::topk, Activation::batch_topk,
                                     Activation::jumprelu),
                     testing::Values(DecoderNorm::sum, DecoderNorm::concatenated,
                                     DecoderNorm::none),
                     testing::Values(Penalty::none, Penalty::l1, Penalty::tanh), testing::Bool()));

// Two latents of one stream each cost as much as one latent of both under the sum of norms.
TEST(Crosscoder, SumOfNormsIsThePublishedPenalty) {
  const std::vector<std::int64_t> widths{2, 2};
  for (const auto& [norm, cost] : {std::pair{DecoderNorm::sum, 7.0},
                                   {DecoderNorm::concatenated, 5.0},
                                   {DecoderNorm::none, 1.0}}) {
    Crosscoder::Options options = options_of(Activation::relu, norm);
    options.dictionary.width = 1;
    Crosscoder sae(options);
    SaeFixture fixture(sae, {streams_of("s", widths), streams_of("s", widths)}, 5);
    at::Tensor W = fixture.parameters["W_dec"], W_enc = fixture.parameters["W_enc"];
    W.zero_();
    W.select(1, 0).fill_(3);  // norm 3 in the first stream, 4 in the second
    W.select(1, 3).fill_(4);
    W_enc.zero_();
    at::Tensor b = fixture.parameters["b_enc"];
    b.fill_(1);
    const SaeInput input = streams_input(6, widths, widths);
    EXPECT_NEAR(sae.forward(input).terms[0].value.item<double>(), cost, 1e-12);
  }
}

TEST(Crosscoder, CoefficientRisesOverTheWarmup) {
  Crosscoder::Options options = options_of(Activation::relu);
  options.penalty.warmup = 0.5;
  Crosscoder sae(options);
  SaeFixture fixture(sae, shape(), 7);
  SaeInput input = input_of(8);
  for (const auto& [step, share] : {std::pair{0, 0.0}, {2, 0.4}, {5, 1.0}, {9, 1.0}}) {
    input.step = step;
    EXPECT_DOUBLE_EQ(sae.forward(input).terms[0].weight, share * options.penalty.coef);
  }
}

// Each stream's part of a decoder row has the norm asked for, and the encoder is its transpose.
TEST(Crosscoder, StartsWithNormsOfEachStream) {
  Crosscoder::Options options = options_of(Activation::relu);
  options.dictionary.decoder_norm = 0.08;
  Crosscoder sae(options);
  SaeFixture fixture(sae, shape(), 9);
  const at::Tensor W = fixture.parameters["W_dec"];
  EXPECT_TRUE(test::identical(W, fixture.parameters["W_enc"]));
  for (const auto& [from, to] : {std::pair{0, 5}, {5, 8}, {8, 12}}) {
    const at::Tensor norms = W.slice(1, from, to).norm(2, at::IntArrayRef{1});
    EXPECT_TRUE(at::allclose(norms, at::zeros_like(norms) + 0.08, 1e-9, 1e-12));
  }
  EXPECT_EQ(fixture.parameters["b_dec"].abs().max().item<double>(), 0);
}

// Streams that are predicted, and not read, may have other widths.
TEST(Crosscoder, WithASkipStartsFromWhatItPredicts) {
  Crosscoder::Options options = options_of(Activation::relu);
  options.dictionary.skip = true;
  options.dictionary.W_enc_init = "random";
  options.dictionary.b_dec_init = "mean";
  Crosscoder sae(options);
  const std::vector<std::int64_t> predicted{6, 2};
  SaeFixture fixture(sae, {streams_of("s", kWidths), streams_of("t", predicted)}, 9);
  Random sample = Random(9).fork("sample");
  for (std::size_t m = 0; m < kWidths.size(); ++m) sample = sample.fork("next");
  std::vector<at::Tensor> means;
  for (const std::int64_t width : predicted) {
    means.push_back(sample.normal_rows(0, 64, width, at::kDouble).mean(0));
    sample = sample.fork("next");
  }
  EXPECT_TRUE(at::allclose(fixture.parameters["b_dec"], at::cat(means)));
  const SaeInput input = streams_input(10, kWidths, predicted);
  const auto gradients = fixture.gradients(sae, input);
  EXPECT_EQ(gradients.at("W_skip").sizes(), at::IntArrayRef({8, 12}));
}

// The threshold outside of training is one of weighted values, and so is what it keeps.
TEST(Crosscoder, BatchTopKThresholdIsOfWeightedValues) {
  Crosscoder sae(options_of(Activation::batch_topk));
  SaeFixture fixture(sae, shape(), 11);
  at::Tensor W = fixture.parameters["W_dec"];
  W.slice(0, 0, 5).mul_(10);
  const SaeInput input = input_of(12);
  const Forward forward = sae.forward(input);
  sae.after_step(input, forward);
  const at::Tensor n = norms_of(DecoderNorm::sum, W, kWidths);
  const at::Tensor weighted = forward.codes[0].to_dense() * n;
  const double theta = fixture.buffers["threshold"].item<double>();
  EXPECT_NEAR(theta, weighted.masked_select(weighted.gt(0)).min().item<double>(), 1e-12);
  const at::Tensor used = sae.encode(input.inputs)[0].to_dense();
  EXPECT_EQ((used * n).masked_select(used.gt(0)).le(theta).sum().item<std::int64_t>(), 0);
  EXPECT_EQ(used.gt(0).sum().item<std::int64_t>(),
            forward.codes[0].l0().sum().item<std::int64_t>() - 1);  // the jump is strict
}

// Every architecture of the dictionary base takes several streams: bitwise what it does with their rows
// side by side.
TEST(Crosscoder, AnyDictionaryOfSeveralStreamsIsThatOfOneWideStream) {
  plugins::TopK::Options options;
  options.dictionary = {.width = kWidth, .b_dec_init = "zero"};
  options.k.k = kK;
  plugins::TopK several(options), wide(options);
  SaeFixture of_several(several, shape(), 13), of_wide(wide, 12, 13);
  for (const auto& [name, tensor] : of_wide.parameters) {
    EXPECT_TRUE(test::identical(tensor, of_several.parameters[name])) << name;
  }
  SaeInput input = input_of(14);
  input.targets = input.inputs;
  SaeInput joined = input;
  joined.inputs = joined.targets = {at::cat(input.inputs, 1)};
  const auto a = of_several.gradients(several, input), b = of_wide.gradients(wide, joined);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, gradient] : b) {
    EXPECT_TRUE(test::identical(a.at(name), gradient)) << name;
  }
  const auto xhat = several.decode(several.encode(input.inputs));
  ASSERT_EQ(xhat.size(), 3u);
  EXPECT_TRUE(test::identical(at::cat(xhat, 1), wide.decode(wide.encode(joined.inputs))[0]));
}

// An objective that looks at one target alone.
TEST(Crosscoder, TargetsWithoutGradientCountAsZero) {
  Crosscoder sae(options_of(Activation::relu, DecoderNorm::sum, Penalty::none));
  SaeFixture fixture(sae, shape(), 15);
  const SaeInput input = input_of(16);
  const Forward forward = sae.forward(input);
  Upstream upstream;
  upstream.codes.resize(1);
  upstream.reconstructions = {{}, at::zeros_like(input.targets[1]) + 1, {}};
  Gradients gradients;
  sae.backward(input, forward, upstream, gradients);
  const at::Tensor& b = gradients.find("b_dec")->dense;
  EXPECT_EQ(b.slice(0, 0, 5).abs().max().item<double>(), 0);
  EXPECT_DOUBLE_EQ(b[5].item<double>(), 13);
  EXPECT_EQ(b.slice(0, 8).abs().max().item<double>(), 0);
}

TEST(Crosscoder, SaysWhatItCannotTake) {
  const auto refusal = [](const Crosscoder::Options& options, const SaeShape& of) {
    return test::caught([&] { (void)Crosscoder(options).declare(of); });
  };
  const Crosscoder::Options options = options_of(Activation::relu);
  EXPECT_THAT(refusal(options, {streams_of("s", {4}), streams_of("s", {4})}).message(),
              testing::HasSubstr("several streams, not one"));
  EXPECT_THAT(refusal(options, {streams_of("s", {4, 3}), streams_of("t", {3, 4})}).message(),
              testing::HasSubstr("between widths 4 + 3 and 3 + 4"));
  Crosscoder::Options standardised = options;
  standardised.dictionary.standardise = true;
  EXPECT_THAT(refusal(standardised, shape()).message(), testing::HasSubstr("rows of one stream"));
  Crosscoder sae(options);
  SaeFixture fixture(sae, shape(), 17);
  const Error error = test::caught([&] { (void)sae.canonical(); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_THAT(error.message(), testing::HasSubstr("reads 3 streams and predicts 3"));
}

}  // namespace
