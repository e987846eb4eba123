#include "plugins/saes/topk/topk.h"
#include "tests/plugins/saes/support/sae_fixture.h"

#include <saffron/error.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <gtest/gtest.h>

#include <tuple>
#include <utility>

using namespace saffron;
using plugins::TopK;

namespace {

constexpr std::int64_t kWidth = 24, kD = 7, kK = 4;

using Dead = DeadLatentOptions;

TopK::Options options_of(Dead dead = {.dead = Dead::Method::auxk}, std::int64_t width = kWidth,
                         std::int64_t k = kK) {
  return {.dictionary = {.width = width}, .dead = std::move(dead), .k = {.k = k}};
}

SaeInput input_of(std::uint64_t seed, std::int64_t rows_seen = 0) {
  const at::Tensor x = Random(seed).fork("x").normal_rows(0, 13, kD, at::kDouble) + 0.3;
  return {.inputs = {x}, .targets = {x}, .step = 0, .steps = 1, .rows_seen = rows_seen};
}

// f on the support of the k largest pre-activations, in plain autograd.
at::Tensor keep_largest(const at::Tensor& a, std::int64_t k) {
  const at::Tensor indices = std::get<1>(at::topk(a.detach(), k, 1));
  const at::Tensor mask = at::zeros_like(a.detach()).scatter(1, indices, 1.0);
  return at::relu(a) * mask;
}

class Reference {
 public:
  Reference(const SaeFixture& fixture) {
    for (const auto& [name, tensor] : fixture.parameters) {
      leaf[name] = tensor.clone().requires_grad_(true);
    }
  }
  at::Tensor pre(const at::Tensor& x) {
    return at::mm(x - leaf["b_dec"], leaf["W_enc"].t()) + leaf["b_enc"];
  }
  std::map<std::string, at::Tensor> leaf;
};

void expect_equal(const std::map<std::string, at::Tensor>& got, Reference& want) {
  for (const char* name : {"W_enc", "b_enc", "W_dec", "b_dec"}) {
    ASSERT_TRUE(got.count(name)) << name;
    EXPECT_TRUE(at::allclose(got.at(name), want.leaf[name].grad(), 1e-9, 1e-11)) << name;
  }
}

TEST(TopK, GradientsEqualAutograd) {
  TopK sae(options_of({}));
  SaeFixture fixture(sae, kD, 5);
  const SaeInput input = input_of(6);
  const auto got = fixture.gradients(sae, input);

  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor x = input.inputs[0];
  const at::Tensor xhat =
      at::mm(keep_largest(want.pre(x), kK), want.leaf["W_dec"]) + want.leaf["b_dec"];
  (x - xhat).square().sum(1).mean().backward();
  expect_equal(got, want);
}

TEST(TopK, AGradientOnTheCodesReachesTheEncoder) {
  TopK sae(options_of({}));
  SaeFixture fixture(sae, kD, 7);
  const SaeInput input = input_of(8);
  const at::Tensor x = input.inputs[0];
  const at::Tensor on_codes = at::full({13, kK}, 0.37, at::kDouble);  // d/df of .37 sum f
  const auto got = fixture.gradients(sae, input, on_codes);

  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor f = keep_largest(want.pre(x), kK);
  const at::Tensor xhat = at::mm(f, want.leaf["W_dec"]) + want.leaf["b_dec"];
  ((x - xhat).square().sum(1).mean() + 0.37 * f.sum()).backward();
  expect_equal(got, want);
}

// The scale, and how many of ten dead latents a row may use: one takes the sparse path.
class AuxK : public testing::TestWithParam<std::tuple<const char*, std::int64_t>> {};

TEST_P(AuxK, LossAndGradientsEqualAutograd) {
  const std::string scale = std::get<0>(GetParam());
  const std::int64_t aux_k = std::get<1>(GetParam());
  TopK sae(options_of({.dead = Dead::Method::auxk,
                       .dead_after = 10,
                       .aux_coef = 0.25,
                       .aux_k = aux_k,
                       .aux_scale = scale}));
  SaeFixture fixture(sae, kD, 9);
  // Latents 0..9 fired long ago, the others just now.
  at::Tensor fired = fixture.buffers["last_fired"];
  fired.slice(0, 10).fill_(1000);
  const SaeInput input = input_of(10, 1000);
  const Forward forward = sae.forward(input);
  ASSERT_EQ(forward.terms.size(), 1u);
  const auto got = fixture.gradients(sae, input);

  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor x = input.inputs[0], a = want.pre(x);
  const at::Tensor xhat = at::mm(keep_largest(a, kK), want.leaf["W_dec"]) + want.leaf["b_dec"];
  const at::Tensor e = (x - xhat).detach();
  at::Tensor dead = at::zeros({kWidth}, at::kBool);
  dead.slice(0, 0, 10).fill_(true);
  const at::Tensor masked = at::where(dead, a, at::full({}, -1e30, at::kDouble));
  const at::Tensor ehat = at::mm(keep_largest(masked, aux_k), want.leaf["W_dec"]);
  const auto variance = [](const at::Tensor& y) {
    return (y - y.mean(0)).square().sum(1).mean().item<double>();
  };
  const double s = scale == "raw"        ? 1
                   : scale == "relative" ? variance(x) / variance(e)
                                         : 1 / variance(e);
  const at::Tensor aux = (e - ehat).square().sum(1).mean();
  EXPECT_NEAR(forward.terms[0].value.item<double>(), aux.item<double>(), 1e-10);
  EXPECT_NEAR(forward.terms[0].weight, 0.25 * s, 1e-10);
  ((x - xhat).square().sum(1).mean() + 0.25 * s * aux).backward();
  expect_equal(got, want);
}

INSTANTIATE_TEST_SUITE_P(Scales, AuxK,
                         testing::Combine(testing::Values("relative", "raw", "residual_variance"),
                                          testing::Values(1, 3)));

// Dead latents compete as the living do (SAELens): by a ||W_dec||, by |a|, or both.
TEST(TopK, DeadLatentsCompeteAsTheLivingDo) {
  constexpr std::int64_t kDead = 10;
  for (const std::int64_t aux_k : {1, 3}) {  // sparse and dense
    for (const auto& [keep, by_contribution] : {std::pair{TopK::Keep::rectified, true},
                                                {TopK::Keep::magnitude, false},
                                                {TopK::Keep::magnitude, true}}) {
      TopK::Options options = options_of({.dead = Dead::Method::auxk,
                                          .dead_after = 10,
                                          .aux_coef = 0.25,
                                          .aux_k = aux_k,
                                          .aux_scale = "raw"});
      options.dictionary.unit_decoder = false;
      options.keep = keep;
      options.by_contribution = by_contribution;
      TopK sae(options);
      SaeFixture fixture(sae, kD, 9);
      at::Tensor fired = fixture.buffers["last_fired"];
      fired.slice(0, kDead).fill_(1000);
      at::Tensor W_dec = fixture.parameters["W_dec"];
      W_dec.mul_((0.5 + Random(3).uniform_rows(0, kWidth, 1, at::kDouble)).pow(3));
      const SaeInput input = input_of(10, 1000);
      const Forward forward = sae.forward(input);
      const auto got = fixture.gradients(sae, input);

      const c10::AutoGradMode with_grad(true);
      Reference want(fixture);
      const at::Tensor x = input.inputs[0], a = want.pre(x);
      const bool by_magnitude = keep == TopK::Keep::magnitude;
      const auto largest = [&](const at::Tensor& of, const at::Tensor& rows, std::int64_t k) {
        at::Tensor compared = of.detach();
        if (by_contribution) compared = compared * rows.detach().norm(2, at::IntArrayRef{1});
        if (by_magnitude) compared = compared.abs();
        const at::Tensor chosen = std::get<1>(at::topk(compared, k, 1));
        return (by_magnitude ? of : at::relu(of)) *
               at::zeros_like(of.detach()).scatter(1, chosen, 1.0);
      };
      const at::Tensor f = largest(a, want.leaf["W_dec"], kK);
      const at::Tensor e = x - at::mm(f, want.leaf["W_dec"]) - want.leaf["b_dec"];
      const at::Tensor of_dead = want.leaf["W_dec"].slice(0, 0, kDead);
      const at::Tensor kept = largest(a.slice(1, 0, kDead), of_dead, aux_k);
      EXPECT_EQ(kept.lt(0).any().item<bool>(), by_magnitude);
      const at::Tensor aux = (e.detach() - at::mm(kept, of_dead)).square().sum(1).mean();
      ASSERT_EQ(forward.terms.size(), 1u);
      EXPECT_NEAR(forward.terms[0].value.item<double>(), aux.item<double>(), 1e-10);
      (e.square().sum(1).mean() + 0.25 * aux).backward();
      expect_equal(got, want);
    }
  }
}

// mse with reduction = "mean" is a d-th of the sum: the auxiliary loss and its gradients must shrink too.
TEST_P(AuxK, WeighsTheSameBesideEverySpellingOfTheObjective) {
  TopK sae(options_of({.dead = Dead::Method::auxk,
                       .dead_after = 10,
                       .aux_coef = 0.25,
                       .aux_scale = std::get<0>(GetParam())}));
  SaeFixture fixture(sae, kD, 9);
  at::Tensor fired = fixture.buffers["last_fired"];
  fired.slice(0, 10).fill_(1000);
  SaeInput input = input_of(10, 1000);
  const double beside_sum = sae.forward(input).terms.at(0).weight;
  input.objective_scale = kD;
  EXPECT_DOUBLE_EQ(sae.forward(input).terms.at(0).weight, beside_sum / kD);
}

TEST(TopK, NoAuxiliaryLossWhileNothingIsDead) {
  TopK sae(options_of({.dead = Dead::Method::auxk, .dead_after = 10}));
  SaeFixture fixture(sae, kD, 11);
  EXPECT_TRUE(sae.forward(input_of(12, 5)).terms.empty());
  EXPECT_FALSE(sae.forward(input_of(12, 11)).terms.empty());
}

TEST(TopK, MultiTopKEqualsAutograd) {
  TopK::Options options = options_of({});
  options.multi_k_coef = 0.125;
  options.multi_k_factor = 3;
  TopK sae(options);
  SaeFixture fixture(sae, kD, 25);
  const SaeInput input = input_of(26);
  const auto got = fixture.gradients(sae, input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor x = input.inputs[0], a = want.pre(x);
  const auto error = [&](std::int64_t k) {
    const at::Tensor xhat = at::mm(keep_largest(a, k), want.leaf["W_dec"]) + want.leaf["b_dec"];
    return (x - xhat).square().sum(1).mean();
  };
  (error(kK) + 0.125 * error(3 * kK)).backward();
  expect_equal(got, want);
  EXPECT_TRUE(at::equal(sae.forward(input).codes[0].indices(), sae.encode({x})[0].indices()));
}

TEST(TopK, AbsTopKKeepsTheSign) {
  TopK::Options options = options_of({});
  options.keep = TopK::Keep::magnitude;
  TopK sae(options);
  SaeFixture fixture(sae, kD, 27);
  const SaeInput input = input_of(28);
  const auto got = fixture.gradients(sae, input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor x = input.inputs[0], a = want.pre(x);
  const at::Tensor kept = std::get<1>(at::topk(a.detach().abs(), kK, 1));
  const at::Tensor f = a * at::zeros_like(a.detach()).scatter(1, kept, 1.0);
  (x - at::mm(f, want.leaf["W_dec"]) - want.leaf["b_dec"]).square().sum(1).mean().backward();
  expect_equal(got, want);
  EXPECT_TRUE(at::allclose(sae.encode({x})[0].to_dense(), f.detach()));
  EXPECT_TRUE(sae.encode({x})[0].values().lt(0).any().item<bool>());
}

TEST(TopK, KGoesEvenlyFromItsStart) {
  TopK::Options options = options_of({});
  options.k.k_start = 20;
  options.k.k_anneal = 0.5;
  TopK sae(options);
  SaeFixture fixture(sae, kD, 29);
  SaeInput input = input_of(30);
  input.steps = 100;
  for (const auto& [step, k] : {std::pair{0, 20}, {25, 12}, {50, 4}, {99, 4}}) {
    input.step = step;
    EXPECT_EQ(sae.forward(input).codes[0].values().size(1), k) << step;
  }
  EXPECT_EQ(*fixture.spec.max_active, 20);
}

TEST(TopK, RemembersWhenALatentFired) {
  TopK sae(options_of());
  SaeFixture fixture(sae, kD, 13);
  const SaeInput input = input_of(14, 700);
  const Forward forward = sae.forward(input);
  sae.after_step(input, forward);
  const at::Tensor fired = forward.codes[0].firing_counts().gt(0);
  EXPECT_TRUE(at::equal(fixture.buffers["last_fired"], fired.to(at::kLong) * 713));
}

TEST(TopK, ExportsWhatItComputes) {
  TopK sae(options_of());
  SaeFixture fixture(sae, kD, 15);
  const CanonicalSae w = sae.canonical();
  const at::Tensor x = input_of(16).inputs[0];
  const at::Tensor f = keep_largest(at::mm(x - w.b_dec, w.W_enc) + w.b_enc, *w.k);
  EXPECT_TRUE(at::allclose(at::mm(f, w.W_dec) + w.b_dec, sae.decode(sae.encode({x}))[0]));
}

TEST(TopK, RedrawsOnlyTheLatentsAskedFor) {
  TopK sae(options_of());
  SaeFixture fixture(sae, kD, 17);
  const at::Tensor before = fixture.parameters["W_dec"].clone();
  sae.reinitialise(at::full({1}, 5, at::kLong), Random(3));
  const at::Tensor changed = fixture.parameters["W_dec"].ne(before).any(1);
  EXPECT_EQ(changed.sum().item<std::int64_t>(), 1);
  EXPECT_TRUE(changed[5].item<bool>());
}

TEST(TopK, LatentsDrawnAnewCountAsHavingFiredNow) {
  TopK sae(options_of({.dead = Dead::Method::auxk, .dead_after = 10}, 100, 2));  // most stay silent
  SaeFixture fixture(sae, kD, 19);
  const SaeInput input = input_of(20, 700);
  const Forward forward = sae.forward(input);
  sae.after_step(input, forward);
  const at::Tensor silent = forward.codes[0].firing_counts().eq(0).nonzero().squeeze(1);
  ASSERT_GT(silent.size(0), 1);
  sae.reinitialise(silent.slice(0, 0, 1), Random(3));
  const at::Tensor fired = fixture.buffers["last_fired"].index_select(0, silent);
  EXPECT_EQ(fired[0].item<std::int64_t>(), 713);
  EXPECT_EQ(fired.slice(0, 1).max().item<std::int64_t>(), 0);  // the others stay dead
  EXPECT_FALSE(sae.forward(input_of(21, 713)).terms.empty());
  sae.reinitialise({}, Random(4));
  EXPECT_TRUE(fixture.buffers["last_fired"].eq(713).all().item<bool>());
  EXPECT_TRUE(sae.forward(input_of(21, 713)).terms.empty());
}

TEST(TopK, NoLatentsAskedForAreNone) {
  TopK sae(options_of());
  SaeFixture fixture(sae, kD, 22);
  const at::Tensor before = fixture.parameters["W_dec"].clone();
  sae.reinitialise(at::zeros({0}, at::kLong), Random(3));
  EXPECT_TRUE(at::equal(fixture.parameters["W_dec"], before));
}

TEST(TopK, RefusesMoreLatentsThanCodesCanName) {
  TopK::Options options;
  Decoded most, more;
  TopK::schema().decode(from_json(R"({"width": 2147483647})", "test"), &options, most);
  TopK::schema().decode(from_json(R"({"width": 2147483648})", "test"), &options, more);
  EXPECT_TRUE(most.ok());
  EXPECT_FALSE(more.ok());
}

}  // namespace
