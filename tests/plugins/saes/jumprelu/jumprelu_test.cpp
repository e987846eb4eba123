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
constexpr double kEps = 0.5, kCoef = 0.3, kTarget = 3;

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
  if (options.is_quadratic()) options.control.target_l0 = kTarget;
  return options;
}

// H(a - theta) of a value and of the kernel's derivative; with `to_input` in a too.
at::Tensor step_of(const at::Tensor& a, const at::Tensor& theta, bool to_input) {
  const at::Tensor gap = (to_input ? a : a.detach()) - theta;
  const at::Tensor rect = gap.detach().abs().lt(kEps / 2).to(at::kDouble) / kEps;
  return gap.detach().gt(0).to(at::kDouble) + rect * (gap - gap.detach());
}

// The loss on dense [B, F] matrices. Autograd differentiates it by the published pseudo-gradients: f is
// a H with H held fixed, and theta H with theta held fixed beside it.
double backward_of(Reference& want, const at::Tensor& x, const JumpRelu::Options& options) {
  const at::Tensor theta =
      options.jump.log_threshold ? want.leaf["log_threshold"].exp() : want.leaf["threshold"];
  const at::Tensor a = want.pre(x), step = step_of(a, theta, options.jump.ste_to_input);
  const at::Tensor f = a * step.detach() + theta.detach() * (step - step.detach());
  at::Tensor loss = mean_square(x - want.decoded(f)), term;
  const at::Tensor l0 = step.sum(1);
  switch (options.sparsity) {
    case Sparsity::none: break;
    case Sparsity::l0: term = l0.mean(); break;
    case Sparsity::target_l0: term = (l0.mean() / kTarget - 1).square(); break;
    case Sparsity::quadratic: term = (2 / kTarget * (l0 - kTarget).square()).mean(); break;
    case Sparsity::tanh:
      at::Tensor W = want.leaf["W_dec"];
      if (options.dictionary.unit_decoder) W = W.detach();
      term = (f * W.norm(2, at::IntArrayRef{1}) * options.tanh_scale).tanh().sum(1).mean();
      break;
  }
  if (term.defined()) loss = loss + kCoef * term;
  loss.backward();
  return term.defined() ? term.item<double>() : 0;
}

class JumpReluLoss : public testing::TestWithParam<std::tuple<Sparsity, bool, bool, bool>> {};

TEST_P(JumpReluLoss, IsThatOfPlainAutograd) {
  const auto [sparsity, log_threshold, unit, to_input] = GetParam();
  JumpRelu::Options options = options_of(sparsity, log_threshold, unit);
  options.jump.ste_to_input = to_input;
  JumpRelu sae(options);
  SaeFixture fixture(sae, kD, 5);
  const SaeInput input = rows_of(6, kD);
  const auto got = fixture.gradients(sae, input);
  const Forward forward = sae.forward(input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const double term = backward_of(want, input.inputs[0], options);
  expect_gradients(got, want);
  const std::string name = log_threshold ? "log_threshold" : "threshold";
  EXPECT_TRUE(at::allclose(got.at(name), want.leaf[name].grad(), 1e-9, 1e-11));
  EXPECT_GT(got.at(name).abs().max().item<double>(), 0);
  if (sparsity == Sparsity::none) {
    EXPECT_TRUE(forward.terms.empty());
  } else {
    ASSERT_EQ(forward.terms.size(), 1u);
    EXPECT_NEAR(forward.terms[0].value.item<double>(), term, 1e-10);
    EXPECT_DOUBLE_EQ(forward.terms[0].weight, kCoef);
  }
}

INSTANTIATE_TEST_SUITE_P(All, JumpReluLoss,
                         testing::Combine(testing::Values(Sparsity::none, Sparsity::l0,
                                                          Sparsity::target_l0, Sparsity::quadratic,
                                                          Sparsity::tanh),
                                          testing::Bool(), testing::Bool(), testing::Bool()));

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
  for (const Sparsity sparsity :
       {Sparsity::l0, Sparsity::target_l0, Sparsity::quadratic, Sparsity::tanh}) {
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
  EXPECT_FALSE(refused(R"({"sparsity": "quadratic", "target_l0": 8})"));
  EXPECT_TRUE(refused(R"({"sparsity": "target_l0"})"));
  EXPECT_TRUE(refused(R"({"sparsity": "quadratic"})"));
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
