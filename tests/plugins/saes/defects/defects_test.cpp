#include "plugins/saes/batch_topk/batch_topk.h"
#include "plugins/saes/topk/topk.h"
#include "tests/plugins/saes/support/reference.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>

#include <memory>

// Defects that other libraries had or have, by their names: none may come up here.

using namespace saffron;
using plugins::BatchTopK;
using plugins::TopK;
using Dead = DeadLatentOptions;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24, kDead = 10, kSeen = 1000;

std::unique_ptr<DictionarySae> make(bool batch, const Dead& dead, double multi_k_coef = 0) {
  if (batch) {
    BatchTopK::Options options;
    options.dictionary.width = kWidth;
    options.dead = dead;
    options.selection.k.k = 4;
    return std::make_unique<BatchTopK>(options);
  }
  TopK::Options options{.dictionary = {.width = kWidth}, .dead = dead, .k = {.k = 4}};
  options.multi_k_coef = multi_k_coef;
  return std::make_unique<TopK>(options);
}

Dead auxk(std::int64_t k = 4) {
  return {.dead = Dead::Method::auxk,
          .dead_after = 10,
          .aux_coef = 0.25,
          .aux_k = k,
          .aux_scale = "raw"};
}

SaeInput late_rows(std::uint64_t seed) {
  SaeInput input = rows_of(seed, kD);
  input.rows_seen = kSeen;
  return input;
}

// The first kDead latents have not fired for long, and do not fire: the others have.
void let_die(SaeFixture& fixture) {
  at::Tensor fired = fixture.buffers["last_fired"], b = fixture.parameters["b_enc"];
  fired.slice(0, kDead).fill_(kSeen + 5);
  b.slice(0, kDead).add_(2);
}

// What AuxK adds to each gradient.
std::map<std::string, at::Tensor> of_auxk(Sae& sae, SaeFixture& fixture, SaeInput input) {
  auto with = fixture.gradients(sae, input);
  input.rows_seen = 0;  // nothing is dead
  const auto without = fixture.gradients(sae, input);
  for (auto& [name, gradient] : with) gradient = gradient - without.at(name);
  return with;
}

double largest(const at::Tensor& t) { return t.abs().max().item<double>(); }

class Defects : public testing::TestWithParam<bool> {};  // BatchTopK rather than TopK

// sparsify, fused_encoder.py: the backward pass dropped the gradient of the pre-activations.
TEST_P(Defects, SparsifyAuxKNeverTrainedTheEncoder) {
  const auto sae = make(GetParam(), auxk());
  SaeFixture fixture(*sae, kD, 1);
  let_die(fixture);
  const auto added = of_auxk(*sae, fixture, late_rows(2));
  EXPECT_GT(largest(added.at("W_enc").slice(0, 0, kDead)), 1e-4);
  EXPECT_GT(largest(added.at("b_enc").slice(0, 0, kDead)), 1e-4);
}

TEST(PlainDefects, SparsifyMultiTopKNeverTrainedTheEncoder) {
  const auto plain = make(false, {}), multi = make(false, {}, 0.5);
  SaeFixture one(*plain, kD, 3), other(*multi, kD, 3);
  const auto without = one.gradients(*plain, rows_of(4, kD));
  const auto with = other.gradients(*multi, rows_of(4, kD));
  EXPECT_GT(largest(with.at("W_enc") - without.at("W_enc")), 1e-4);
  // Latents beyond the k largest too, which nothing else trains.
  const at::Tensor idle = without.at("b_enc").eq(0);
  EXPECT_GT(largest(with.at("b_enc") * idle), 1e-4);
}

// sparsify issue 132: the dead latents' decoding had b_dec in it, which the residual lacks.
TEST_P(Defects, SparsifyAuxKCountedTheBiasTwice) {
  const auto sae = make(GetParam(), auxk());
  SaeFixture fixture(*sae, kD, 5);
  let_die(fixture);
  SaeInput input = late_rows(6);
  const double before = sae->forward(input).terms.at(0).value.item<double>();
  // Rows and their centre move together: residual and codes are as before.
  at::Tensor b_dec = fixture.parameters["b_dec"];
  b_dec.add_(5);
  input.inputs[0] = input.inputs[0] + 5;
  input.targets[0] = input.inputs[0];
  EXPECT_NEAR(sae->forward(input).terms.at(0).value.item<double>(), before, 1e-9);
}

// bartbussmann/BatchTopK: the residual that AuxK models was not held, so that AuxK trained living latents.
TEST_P(Defects, BatchTopKRepositoryDidNotHoldTheResidual) {
  const auto sae = make(GetParam(), auxk());
  SaeFixture fixture(*sae, kD, 7);
  let_die(fixture);
  const auto added = of_auxk(*sae, fixture, late_rows(8));
  for (const char* name : {"W_enc", "b_enc", "W_dec"}) {
    EXPECT_LT(largest(added.at(name).slice(0, kDead)), 1e-12) << name;
  }
  EXPECT_GT(largest(added.at("W_dec").slice(0, 0, kDead)), 1e-4);
}

// SAELens pull request 432: k of AuxK came from the width of the SAE.
TEST_P(Defects, SaeLensAuxKTookItsKFromTheWidth) {
  const auto few = make(GetParam(), auxk(2)), all = make(GetParam(), auxk(kDead)),
             more = make(GetParam(), auxk(100 * kWidth));
  double term[3];
  int at = 0;
  for (DictionarySae* sae : {few.get(), all.get(), more.get()}) {
    SaeFixture fixture(*sae, kD, 9);
    let_die(fixture);
    term[at++] = sae->forward(late_rows(10)).terms.at(0).value.item<double>();
  }
  EXPECT_NE(term[0], term[1]);
  EXPECT_DOUBLE_EQ(term[1], term[2]);  // never more than are dead
}

// dictionary_learning, p_anneal.py: `w[deads][:n] = ...` wrote into a copy; moments were reset all the same.
TEST_P(Defects, DictionaryLearningResampledIntoACopy) {
  const auto sae = make(GetParam(), {.dead = Dead::Method::resample,
                                     .dead_after = 10,
                                     .resample_every = 5,
                                     .resample_scale = 0.3});
  SaeFixture fixture(*sae, kD, 11);
  let_die(fixture);
  at::Tensor b_enc = fixture.parameters["b_enc"];
  b_enc.slice(0, 0, kDead).fill_(-100);
  const SaeInput input = late_rows(12);
  const at::Tensor W_enc = fixture.parameters["W_enc"].clone(),
                   W_dec = fixture.parameters["W_dec"].clone();
  const Forward forward = sae->forward(input);
  sae->after_step(input, forward);
  const at::Tensor drawn = sae->take_resampled();
  ASSERT_TRUE(drawn.defined());
  EXPECT_EQ(drawn.size(0), kDead);
  EXPECT_EQ(drawn.max().item<std::int64_t>(), kDead - 1);
  EXPECT_FALSE(sae->take_resampled().defined());  // moments are forgotten once
  for (const char* name : {"W_enc", "W_dec"}) {
    const at::Tensor& before = name == std::string("W_enc") ? W_enc : W_dec;
    const at::Tensor changed = fixture.parameters[name].ne(before).any(1);
    EXPECT_TRUE(changed.slice(0, 0, kDead).all().item<bool>()) << name;
    EXPECT_FALSE(changed.slice(0, kDead).any().item<bool>()) << name;
  }
  EXPECT_TRUE(b_enc.slice(0, 0, kDead).eq(0).all().item<bool>());
  const double size = W_enc.slice(0, kDead).norm(2, at::IntArrayRef{1}).mean().item<double>();
  const at::Tensor norms =
      fixture.parameters["W_enc"].slice(0, 0, kDead).norm(2, at::IntArrayRef{1});
  EXPECT_TRUE(at::allclose(norms, norms.new_full({kDead}, 0.3 * size)));
}

// saev, train.py: the encoder began as a view of the decoder, so that a step of one moved the other.
TEST_P(Defects, SaevEncoderWasAViewOfTheDecoder) {
  const auto sae = make(GetParam(), {});
  SaeFixture fixture(*sae, kD, 13);
  at::Tensor W_enc = fixture.parameters["W_enc"];
  const at::Tensor W_dec = fixture.parameters["W_dec"].clone();
  EXPECT_TRUE(at::equal(W_enc, W_dec));
  W_enc.zero_();
  EXPECT_TRUE(at::equal(fixture.parameters["W_dec"], W_dec));
}

// saev, BatchTopK: the smallest of no values at all.
TEST(PlainDefects, SaevTookTheSmallestOfNothing) {
  const auto sae = make(true, {});
  SaeFixture fixture(*sae, kD, 14);
  fixture.parameters["b_enc"].fill_(-1000);
  const SaeInput input = rows_of(15, kD);
  for (int step = 0; step < 2; ++step) {
    const Forward forward = sae->forward(input);
    EXPECT_EQ(forward.codes[0].values().size(0), 0);
    (void)fixture.gradients(*sae, input);
    sae->after_step(input, forward);
  }
  EXPECT_EQ(fixture.buffers["threshold"].item<double>(), -1);
  EXPECT_EQ(sae->encode(input.inputs)[0].l0().sum().item<std::int64_t>(), 0);
}

// noanabeshima: moments were looked for where Adam does not keep them. What the host zeroes is what was drawn.
TEST_P(Defects, MomentsBelongToTheLatentsThatWereDrawn) {
  const auto sae =
      make(GetParam(), {.dead = Dead::Method::resample, .dead_after = 10, .resample_every = 5});
  SaeFixture fixture(*sae, kD, 16);
  let_die(fixture);
  fixture.parameters["b_enc"].slice(0, 0, kDead).fill_(-100);
  fixture.buffers["last_fired"].slice(0, 3, 6).fill_(kSeen + 5);  // silent, but not for long enough
  const at::Tensor before = fixture.parameters["W_dec"].clone();
  const SaeInput input = late_rows(17);
  sae->after_step(input, sae->forward(input));
  const at::Tensor changed = fixture.parameters["W_dec"].ne(before).any(1).nonzero().flatten();
  EXPECT_TRUE(at::equal(sae->take_resampled(), changed));
  EXPECT_EQ(changed.size(0), kDead - 3);
}

INSTANTIATE_TEST_SUITE_P(Of, Defects, testing::Bool(),
                         [](const auto& which) { return which.param ? "BatchTopK" : "TopK"; });

}  // namespace
