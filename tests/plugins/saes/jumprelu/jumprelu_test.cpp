#include "plugins/saes/jumprelu/jumprelu.h"
#include "tests/plugins/saes/support/reference.h"

#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <tuple>

using namespace saffron;
using plugins::JumpRelu;
using Sparsity = JumpRelu::Sparsity;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24;
constexpr double kEps = 0.5, kCoef = 0.3;

JumpRelu::Options options_of(Sparsity sparsity, bool log_threshold = false, bool unit = true) {
  JumpRelu::Options options;
  options.dictionary.width = kWidth;
  options.dictionary.unit_decoder = unit;
  options.dictionary.decoder_norm = unit ? 1 : 0.6;
  options.jump.threshold_init = 0.4;
  options.jump.bandwidth = kEps;
  options.jump.log_threshold = log_threshold;
  options.sparsity = sparsity;
  options.coef = kCoef;
  options.warmup = 0;
  if (sparsity == Sparsity::target_l0) options.control.target_l0 = 3;
  return options;
}

// Everything by its formula, on dense [B, F] matrices. The gradients of W_enc, b_enc, W_dec and b_dec
// come from autograd on a loss whose derivative in a is the published pseudo-gradient.
struct Expected {
  at::Tensor threshold;  // d loss / d theta
  double term = 0;
};

Expected expected(Reference& want, const at::Tensor& x, const JumpRelu::Options& options) {
  const at::Tensor theta =
      (options.jump.log_threshold ? want.leaf["log_threshold"].exp() : want.leaf["threshold"])
          .detach();
  const at::Tensor a = want.pre(x);
  const at::Tensor on = a.detach().gt(theta).to(at::kDouble);
  const at::Tensor rect = (a.detach() - theta).abs().lt(kEps / 2).to(at::kDouble) / kEps;
  const at::Tensor f = a * on;
  const at::Tensor values = f.detach().requires_grad_(true);
  at::Tensor loss = mean_square(x - want.decoded(values)), term;
  const auto rows = static_cast<double>(x.size(0));
  const double l0 = on.sum().item<double>() / rows;
  double slope = 0;  // of the sparsity term in L0
  Expected out;
  if (options.sparsity == Sparsity::tanh) {
    at::Tensor W = want.leaf["W_dec"];
    if (options.dictionary.unit_decoder) W = W.detach();
    term = (values * W.norm(2, at::IntArrayRef{1}) * options.tanh_scale).tanh().sum(1).mean();
    loss = loss + kCoef * term;
    out.term = term.item<double>();
  } else if (options.sparsity == Sparsity::l0) {
    out.term = l0;
    slope = 1;
  } else if (options.sparsity == Sparsity::target_l0) {
    out.term = (l0 / 3 - 1) * (l0 / 3 - 1);
    slope = 2 * (l0 / 3 - 1) / 3;
  }
  loss.backward();
  f.backward(values.grad());
  out.threshold = (values.grad() * -theta * rect).sum(0) - kCoef * slope / rows * rect.sum(0);
  if (options.jump.log_threshold) out.threshold = out.threshold * theta;
  return out;
}

class JumpReluLoss : public testing::TestWithParam<std::tuple<Sparsity, bool, bool>> {};

TEST_P(JumpReluLoss, GradientsEqualTheirFormulas) {
  const auto [sparsity, log_threshold, unit] = GetParam();
  const JumpRelu::Options options = options_of(sparsity, log_threshold, unit);
  JumpRelu sae(options);
  SaeFixture fixture(sae, kD, 5);
  const SaeInput input = rows_of(6, kD);
  const auto got = fixture.gradients(sae, input);
  const Forward forward = sae.forward(input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const Expected by_formula = expected(want, input.inputs[0], options);
  expect_gradients(got, want);
  EXPECT_TRUE(at::allclose(got.at(log_threshold ? "log_threshold" : "threshold"),
                           by_formula.threshold, 1e-9, 1e-11));
  EXPECT_GT(by_formula.threshold.abs().max().item<double>(), 0);
  if (sparsity == Sparsity::none) {
    EXPECT_TRUE(forward.terms.empty());
  } else {
    ASSERT_EQ(forward.terms.size(), 1u);
    EXPECT_NEAR(forward.terms[0].value.item<double>(), by_formula.term, 1e-10);
    EXPECT_DOUBLE_EQ(forward.terms[0].weight, kCoef);
  }
}

INSTANTIATE_TEST_SUITE_P(All, JumpReluLoss,
                         testing::Combine(testing::Values(Sparsity::none, Sparsity::l0,
                                                          Sparsity::target_l0, Sparsity::tanh),
                                          testing::Bool(), testing::Bool()));

// SAELens: of those that are dead; Anthropic: of all.
TEST(JumpRelu, PreActivationLossIsThatOfDeadLatentsOrOfAll) {
  for (const auto& [unit, all] :
       {std::pair(true, false), std::pair(false, false), std::pair(true, true)}) {
    JumpRelu::Options options = options_of(Sparsity::none, false, unit);
    options.preact_coef = 0.2;
    if (all) options.preact_over = JumpRelu::PreactOver::all;
    const std::int64_t counted = all ? options.dictionary.width : 6;
    options.dead.dead_after = 10;
    JumpRelu sae(options);
    SaeFixture fixture(sae, kD, 7);
    at::Tensor fired = fixture.buffers["last_fired"];
    fired.slice(0, 6).fill_(1000);
    SaeInput input = rows_of(8, kD);
    input.rows_seen = 1000;
    const auto with = fixture.gradients(sae, input);
    ASSERT_EQ(sae.forward(input).terms.size(), 1u);
    JumpRelu plain(options_of(Sparsity::none, false, unit));
    SaeFixture beside(plain, kD, 7);
    const auto without = beside.gradients(plain, input);

    const c10::AutoGradMode with_grad(true);
    Reference want(fixture);
    const at::Tensor a = want.pre(input.inputs[0]).slice(1, 0, counted);
    at::Tensor W = want.leaf["W_dec"].slice(0, 0, counted);
    if (unit) W = W.detach();
    const at::Tensor term = ((want.leaf["threshold"].slice(0, 0, counted) - a).clamp_min(0) *
                             W.norm(2, at::IntArrayRef{1}))
                                .sum(1)
                                .mean();
    (0.2 * term).backward();
    for (const auto& [name, leaf] : want.leaf) {
      const at::Tensor difference = with.at(name) - without.at(name);
      const at::Tensor own = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
      EXPECT_TRUE(at::allclose(difference, own, 1e-9, 1e-11)) << name;
    }
  }
}

TEST(JumpRelu, SparsityRisesOverTheWarmup) {
  JumpRelu::Options options = options_of(Sparsity::l0);
  options.warmup = 0.5;
  JumpRelu sae(options);
  SaeFixture fixture(sae, kD, 9);
  SaeInput input = rows_of(10, kD);
  for (const auto& [step, share] : {std::pair{0, 0.0}, {2, 0.4}, {5, 1.0}, {9, 1.0}}) {
    input.step = step;
    EXPECT_DOUBLE_EQ(sae.forward(input).terms[0].weight, share * kCoef);
  }
}

// BatchTopK's repository: the gradient of log_threshold lacks the factor theta of the chain rule, and
// its first threshold is exp(0) = 1 whatever was asked for.
TEST(JumpRelu, BatchTopKRepositoryLogThreshold) {
  JumpRelu raw(options_of(Sparsity::l0, false)), log(options_of(Sparsity::l0, true));
  SaeFixture of_raw(raw, kD, 5), of_log(log, kD, 5);
  const SaeInput input = rows_of(6, kD);
  const at::Tensor theta = of_raw.parameters["threshold"];
  EXPECT_TRUE(at::allclose(of_log.parameters["log_threshold"].exp(), theta));
  EXPECT_NEAR(theta.mean().item<double>(), 0.4, 1e-12);
  const at::Tensor on_theta = of_raw.gradients(raw, input).at("threshold");
  EXPECT_GT(on_theta.abs().max().item<double>(), 0);
  EXPECT_TRUE(at::allclose(of_log.gradients(log, input).at("log_threshold"), on_theta * theta));
}

// dictionary_learning, jumprelu.py: the step acts on codes after their jump, so that its kernel has only
// the half above theta. Here every pre-activation is below theta, within the kernel's reach.
TEST(JumpRelu, DictionaryLearningKernelIsOneSided) {
  JumpRelu sae(options_of(Sparsity::l0));
  SaeFixture fixture(sae, kD, 13);
  at::Tensor W = fixture.parameters["W_enc"], b = fixture.parameters["b_enc"];
  W.zero_();
  b.fill_(0.4 - kEps / 4);
  SaeInput input = rows_of(14, kD);
  input.targets = {
      fixture.parameters["b_dec"].expand({13, kD})};  // no error: the step's gradient alone
  const at::Tensor got = fixture.gradients(sae, input).at("threshold");
  EXPECT_TRUE(at::allclose(got, at::zeros_like(got) - kCoef / kEps));
}

// SAELens before 6.45.2 scaled an error by the number of rows of a batch.
TEST(JumpRelu, SAELensValuesDependOnTheNumberOfRows) {
  for (const Sparsity sparsity : {Sparsity::l0, Sparsity::target_l0, Sparsity::tanh}) {
    JumpRelu sae(options_of(sparsity));
    SaeFixture fixture(sae, kD, 5);
    expect_means_over_rows(sae, fixture, rows_of(6, kD));
  }
}

TEST(JumpRelu, RefusesTargetsWithNothingToSteer) {
  const auto refused = [](const char* text) {
    JumpRelu::Options options;
    Decoded decoded;
    JumpRelu::schema().decode(from_json(text, "test"), &options, decoded);
    return !decoded.ok();
  };
  EXPECT_FALSE(refused(R"({"target_l0": 8})"));
  EXPECT_FALSE(refused(R"({"sparsity": "target_l0", "target_l0": 8})"));
  EXPECT_TRUE(refused(R"({"sparsity": "target_l0"})"));
  EXPECT_TRUE(refused(R"({"sparsity": "none", "target_l0": 8})"));
  EXPECT_TRUE(refused(R"({"width": 8, "target_l0": 8})"));
}

// A latent at the threshold's own value does not fire, in training, in use and in the export.
TEST(JumpRelu, TheJumpIsStrict) {
  JumpRelu sae(options_of(Sparsity::none));
  SaeFixture fixture(sae, kD, 11);
  at::Tensor W = fixture.parameters["W_enc"], b = fixture.parameters["b_enc"];
  W.zero_();
  b.fill_(0.4);
  b.slice(0, 0, 5).fill_(0.5);
  const SaeInput input = rows_of(12, kD);
  for (const Codes& codes : {sae.encode(input.inputs)[0], sae.forward(input).codes[0]}) {
    EXPECT_TRUE(codes.l0().eq(5).all().item<bool>());
  }
  const CanonicalSae w = sae.canonical();
  EXPECT_EQ(w.activation, "jumprelu");
  EXPECT_TRUE(at::allclose(w.threshold, fixture.parameters["threshold"]));
}

}  // namespace
