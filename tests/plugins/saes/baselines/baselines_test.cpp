#include "plugins/saes/batch_topk/batch_topk.h"
#include "plugins/saes/jumprelu/jumprelu.h"
#include "plugins/saes/topk/topk.h"
#include "tests/plugins/saes/support/sae_fixture.h"

#include <saffron/error.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>

// The baselines of Korznikov et al. 2026, "Sanity Checks for Sparse Autoencoders" (arXiv 2602.14111): a frozen
// encoder, a frozen decoder and a softly frozen one, of any architecture on the common base.

using namespace saffron;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24;

using Make = std::function<std::unique_ptr<DictionarySae>(const DictionaryOptions&,
                                                          const DeadLatentOptions&)>;

template <class SaeType, class Options>
std::unique_ptr<DictionarySae> made(Options options, const DictionaryOptions& dictionary,
                                    const DeadLatentOptions& dead) {
  options.dictionary = dictionary;
  options.dead = dead;
  return std::make_unique<SaeType>(options);
}

std::unique_ptr<DictionarySae> topk(const DictionaryOptions& dictionary,
                                    const DeadLatentOptions& dead) {
  plugins::TopK::Options options;
  options.k.k = 4;
  return made<plugins::TopK>(options, dictionary, dead);
}

std::unique_ptr<DictionarySae> batch_topk(const DictionaryOptions& dictionary,
                                          const DeadLatentOptions& dead) {
  plugins::BatchTopK::Options options;
  options.selection.k.k = 4;
  return made<plugins::BatchTopK>(options, dictionary, dead);
}

std::unique_ptr<DictionarySae> jumprelu(const DictionaryOptions& dictionary,
                                        const DeadLatentOptions& dead) {
  plugins::JumpRelu::Options options;
  options.warmup = 0;
  return made<plugins::JumpRelu>(options, dictionary, dead);
}

DictionaryOptions frozen(const std::string& what, double cosine = 0.8) {
  DictionaryOptions options;
  options.width = kWidth;
  options.frozen = what;
  options.decoder_cosine = cosine;
  return options;
}

SaeInput batch(std::uint64_t seed) {
  const at::Tensor x = Random(seed).fork("x").normal_rows(0, 13, kD, at::kDouble) + 0.3;
  return {.inputs = {x}, .targets = {x}, .steps = 10, .random = Random(seed)};
}

at::Tensor cosines(const at::Tensor& a, const at::Tensor& b) {
  const auto norm = [](const at::Tensor& w) { return w.norm(2, at::IntArrayRef{1}); };
  return (a * b).sum(1) / (norm(a) * norm(b));
}

// One step as the host makes it, by plain gradient descent; of one parameter alone if it is named.
void descend(Sae& sae, SaeFixture& fixture, const SaeInput& input, double lr,
             const std::string& only = {}) {
  const auto gradients = fixture.gradients(sae, input);
  for (const ParameterSpec& spec : fixture.spec.parameters) {
    const auto gradient = gradients.find(spec.name);
    if (spec.frozen || gradient == gradients.end()) continue;
    if (!only.empty() && spec.name != only) continue;
    at::Tensor w = fixture.parameters[spec.name];
    w.sub_(gradient->second * lr);
    if (spec.constraint == Constraint::unit_rows) w.div_(w.norm(2, at::IntArrayRef{1}, true));
    if (spec.constraint == Constraint::non_negative) w.clamp_min_(0);
  }
  sae.after_step(input, sae.forward(input));
}

class Baseline : public testing::TestWithParam<Make> {};

TEST_P(Baseline, FrozenWeightsStayAndTheOthersLearn) {
  for (const char* what : {"encoder", "decoder"}) {
    const std::string kept = what == std::string("encoder") ? "W_enc" : "W_dec";
    const auto sae = GetParam()(frozen(what), {});
    SaeFixture fixture(*sae, kD, 5);
    std::map<std::string, at::Tensor> before;
    for (const auto& [name, tensor] : fixture.parameters) before[name] = tensor.clone();
    for (std::uint64_t step = 0; step < 3; ++step) descend(*sae, fixture, batch(step), 0.1);
    for (const char* name : {"W_enc", "b_enc", "W_dec", "b_dec"}) {
      EXPECT_EQ(at::equal(before[name], fixture.parameters[name]), name == kept) << what << name;
    }
  }
}

// Freezing changes what is stepped, not what the other gradients are.
TEST_P(Baseline, TheOtherGradientsAreThoseOfTheWholeSae) {
  const auto whole = GetParam()(frozen("none"), {});
  SaeFixture whole_fixture(*whole, kD, 6);
  const auto want = whole_fixture.gradients(*whole, batch(7));
  for (const char* what : {"encoder", "decoder", "soft_decoder"}) {
    const auto sae = GetParam()(frozen(what), {});
    SaeFixture fixture(*sae, kD, 6);
    const auto got = fixture.gradients(*sae, batch(7));
    for (const char* name : {"W_enc", "b_enc", "b_dec"}) {
      EXPECT_TRUE(at::equal(got.at(name), want.at(name))) << what << ' ' << name;
    }
  }
}

TEST_P(Baseline, SoftlyFrozenRowsStayInTheirCones) {
  for (const double tau : {0.0, 0.8, 0.95, 1.0}) {
    const auto sae = GetParam()(frozen("soft_decoder", tau), {});
    SaeFixture fixture(*sae, kD, 8);
    const at::Tensor& W = fixture.parameters["W_dec"];
    const at::Tensor start = W.clone();
    EXPECT_TRUE(at::allclose(fixture.buffers["W_dec_start"].to(at::kDouble), start, 1e-6, 1e-7));
    for (std::uint64_t step = 0; step < 12; ++step) {
      descend(*sae, fixture, batch(step), 2.0, "W_dec");
      EXPECT_GE(cosines(W, start).min().item<double>(), tau - 1e-6);
      EXPECT_TRUE(at::allclose(W.norm(2, at::IntArrayRef{1}), W.new_ones({kWidth}), 1e-6, 1e-6));
    }
    const at::Tensor at_edge = (cosines(W, start) - tau).abs().lt(1e-6);
    if (tau >= 0.8) {
      EXPECT_GT(at_edge.sum().item<std::int64_t>(), 2);
    }
  }
}

TEST_P(Baseline, ARowThatLeavesMovesToTheNearestOfItsNorm) {
  DictionaryOptions options = frozen("soft_decoder");
  options.unit_decoder = false;
  options.decoder_norm = 0.7;
  const auto sae = GetParam()(options, {});
  SaeFixture fixture(*sae, kD, 9);
  at::Tensor W = fixture.parameters["W_dec"];
  const at::Tensor start = W / W.norm(2, at::IntArrayRef{1}, true);
  const SaeInput input = batch(10);
  const Forward forward = sae->forward(input);
  W.add_(0.9 * Random(11).normal_rows(0, kWidth, kD, at::kDouble));
  W[3].copy_(-2 * start[3]);  // straight against its start
  const at::Tensor moved = W.clone();
  sae->after_step(input, forward);
  const at::Tensor norms = moved.norm(2, at::IntArrayRef{1});
  EXPECT_TRUE(at::allclose(W.norm(2, at::IntArrayRef{1}), norms, 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(W[3], 2 * start[3], 1e-6, 1e-6));
  const at::Tensor inside = cosines(moved, start).ge(0.8 + 1e-6);
  EXPECT_GT(inside.sum().item<std::int64_t>(), 0);
  EXPECT_LT(inside.sum().item<std::int64_t>(), kWidth);
  for (std::int64_t i = 0; i < kWidth; ++i) {
    if (inside[i].item<bool>()) {
      EXPECT_TRUE(at::equal(W[i], moved[i])) << i;
      continue;
    }
    if (i == 3) continue;
    EXPECT_NEAR(cosines(W.slice(0, i, i + 1), start.slice(0, i, i + 1)).item<double>(), 0.8, 1e-6);
    // No point of the cone's edge with this norm is nearer to where the row went.
    at::Tensor across = Random(12).normal_rows(0, 500, kD, at::kDouble);
    across = across - (across * start[i]).sum(1).unsqueeze(1) * start[i];
    across = across / across.norm(2, at::IntArrayRef{1}, true);
    const at::Tensor edge = (0.8 * start[i] + 0.6 * across) * norms[i];
    const double nearest = (edge - moved[i]).norm(2, at::IntArrayRef{1}).min().item<double>();
    EXPECT_LE((W[i] - moved[i]).norm().item<double>(), nearest + 1e-6) << i;
  }
}

// What a checkpoint keeps is enough to go on.
TEST_P(Baseline, TheConeIsKeptWithTheSae) {
  const auto first = GetParam()(frozen("soft_decoder"), {}),
             second = GetParam()(frozen("soft_decoder"), {});
  SaeFixture one(*first, kD, 13), other(*second, kD, 14);
  descend(*first, one, batch(15), 2.0, "W_dec");
  for (const auto& [name, tensor] : one.parameters) {
    at::Tensor to = other.parameters[name];
    to.copy_(tensor);
  }
  for (const auto& [name, tensor] : one.buffers) {
    at::Tensor to = other.buffers[name];
    to.copy_(tensor);
  }
  second->bind(other.parameters, other.buffers);
  descend(*first, one, batch(16), 2.0, "W_dec");
  descend(*second, other, batch(16), 2.0, "W_dec");
  EXPECT_TRUE(at::equal(one.parameters["W_dec"], other.parameters["W_dec"]));
}

TEST_P(Baseline, LatentsDrawnAnewStartAnew) {
  const auto sae = GetParam()(frozen("soft_decoder"), {});
  SaeFixture fixture(*sae, kD, 17);
  const at::Tensor before = fixture.buffers["W_dec_start"].clone();
  sae->reinitialise(at::full({1}, 5, at::kLong), Random(18));
  const at::Tensor& start = fixture.buffers["W_dec_start"];
  EXPECT_EQ(start.ne(before).any(1).sum().item<std::int64_t>(), 1);
  EXPECT_TRUE(at::allclose(start[5].to(at::kDouble), fixture.parameters["W_dec"][5], 1e-6, 1e-7));
}

TEST_P(Baseline, RefusesWhatWouldBreakIt) {
  const DeadLatentOptions resample{.dead = DeadLatentOptions::Method::resample};
  for (const char* what : {"encoder", "decoder", "soft_decoder"}) {
    EXPECT_THROW((void)GetParam()(frozen(what), resample)->declare({{{"x", kD}}, {{"x", kD}}}),
                 Error);
  }
  EXPECT_NO_THROW((void)GetParam()(frozen("none"), resample)->declare({{{"x", kD}}, {{"x", kD}}}));
  const auto fails = [](const char* options) {
    DictionaryOptions out;
    Decoded decoded;
    DictionaryOptions::schema().decode(from_json(options, "test"), &out, decoded);
    return !decoded.ok();
  };
  EXPECT_FALSE(fails(R"({"frozen": "soft_decoder", "decoder_cosine": 0.5})"));
  EXPECT_TRUE(fails(R"({"frozen": "soft"})"));
  EXPECT_TRUE(fails(R"({"frozen": "soft_decoder", "decoder_cosine": 1.5})"));
  EXPECT_TRUE(fails(R"({"frozen": "encoder", "tied": true})"));
  EXPECT_FALSE(fails(R"({"frozen": "decoder", "tied": true})"));
  EXPECT_TRUE(fails(R"({"encoder_bias": false, "b_enc_init": "centred"})"));
}

// b_enc stays 0 and is shown as not trained.
TEST_P(Baseline, WithoutEncoderBias) {
  DictionaryOptions options = frozen("none");
  options.encoder_bias = false;
  const auto sae = GetParam()(options, {});
  const SaeSpec spec = sae->declare({{{"x", kD}}, {{"x", kD}}});
  for (const ParameterSpec& p : spec.parameters) EXPECT_EQ(p.frozen, p.name == "b_enc") << p.name;
}

INSTANTIATE_TEST_SUITE_P(Of, Baseline,
                         testing::Values(Make(topk), Make(batch_topk), Make(jumprelu)));

}  // namespace
