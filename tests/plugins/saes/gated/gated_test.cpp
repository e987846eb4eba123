#include "plugins/saes/gated/gated.h"
#include "tests/plugins/saes/support/reference.h"

#include <ATen/ops/relu.h>
#include <c10/core/GradMode.h>

using namespace saffron;
using plugins::Gated;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24;

void unsettle(SaeFixture& fixture) {
  for (const char* name : {"r_mag", "b_mag"}) {
    at::Tensor parameter = fixture.parameters[name];
    parameter.copy_(0.3 * Random(3).fork(name).normal_rows(0, 1, kWidth, at::kDouble).squeeze(0));
  }
}

at::Tensor codes_of(Reference& want, const at::Tensor& x) {
  const at::Tensor u = at::mm(x - want.leaf["b_dec"], want.leaf["W_enc"].t());
  const at::Tensor open = (u + want.leaf["b_enc"]).detach().gt(0);
  return at::relu(u * want.leaf["r_mag"].exp() + want.leaf["b_mag"]) * open;
}

struct Case {
  bool detach, unit;
};

class GatedLoss : public testing::TestWithParam<Case> {};

TEST_P(GatedLoss, GradientsEqualAutograd) {
  Gated::Options options;
  options.dictionary.width = kWidth;
  options.dictionary.unit_decoder = GetParam().unit;
  options.dictionary.decoder_norm = GetParam().unit ? 1 : 0.6;
  options.coef = 0.2;
  options.warmup = 0;
  options.detach_auxiliary = GetParam().detach;
  Gated sae(options);
  SaeFixture fixture(sae, kD, 5);
  unsettle(fixture);
  const SaeInput input = rows_of(6, kD);
  const auto got = fixture.gradients(sae, input);
  const Forward forward = sae.forward(input);

  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor x = input.inputs[0], gates = at::relu(want.pre(x));
  at::Tensor W = want.leaf["W_dec"], b = want.leaf["b_dec"];
  const at::Tensor norms =
      GetParam().unit ? W.detach().norm(2, at::IntArrayRef{1}) : W.norm(2, at::IntArrayRef{1});
  const at::Tensor l1 = (gates * norms).sum(1).mean();
  if (GetParam().detach) {
    W = W.detach();
    b = b.detach();
  }
  const at::Tensor error = mean_square(x - at::mm(gates, W) - b);
  (mean_square(x - want.decoded(codes_of(want, x))) + 0.2 * l1 + error).backward();
  expect_gradients(got, want);
  ASSERT_EQ(forward.terms.size(), 2u);
  EXPECT_NEAR(forward.terms[0].value.item<double>(), l1.item<double>(), 1e-10);
  EXPECT_NEAR(forward.terms[1].value.item<double>(), error.item<double>(), 1e-10);
}

INSTANTIATE_TEST_SUITE_P(All, GatedLoss,
                         testing::Values(Case{true, true}, Case{false, true}, Case{true, false},
                                         Case{false, false}));

// SAELens, gated_sae.py: the auxiliary path is not detached, so that it trains the decoder too. Where no
// magnitude is above 0 nothing else could.
TEST(Gated, SAELensAuxiliaryPathTrainsTheDecoder) {
  Gated::Options options;
  options.dictionary.width = kWidth;
  options.coef = 0;
  for (const bool detach : {true, false}) {
    options.detach_auxiliary = detach;
    Gated sae(options);
    SaeFixture fixture(sae, kD, 5);
    at::Tensor b_mag = fixture.parameters["b_mag"];
    b_mag.fill_(-100);
    const auto got = fixture.gradients(sae, rows_of(6, kD));
    const double decoder = got.at("W_dec").abs().max().item<double>();
    EXPECT_EQ(decoder == 0, detach);
    EXPECT_GT(got.at("W_enc").abs().max().item<double>(), 0);
  }
  EXPECT_TRUE(Gated::Options().detach_auxiliary);
}

// SAELens before 6.45.2 scaled an error by the number of rows of a batch.
TEST(Gated, SAELensValuesDependOnTheNumberOfRows) {
  Gated::Options options;
  options.dictionary.width = kWidth;
  options.warmup = 0;
  Gated sae(options);
  SaeFixture fixture(sae, kD, 5);
  unsettle(fixture);
  expect_means_over_rows(sae, fixture, rows_of(6, kD));
}

TEST(Gated, ExportsWhatItComputes) {
  Gated::Options options;
  options.dictionary.width = kWidth;
  Gated sae(options);
  SaeFixture fixture(sae, kD, 7);
  unsettle(fixture);
  const CanonicalSae w = sae.canonical();
  const at::Tensor x = rows_of(8, kD).inputs[0], u = at::mm(x - w.b_dec, w.W_enc);
  const at::Tensor f = at::relu(u * w.r_mag.exp() + w.b_mag) * (u + w.b_gate).gt(0);
  EXPECT_TRUE(at::allclose(f, sae.encode({x})[0].to_dense()));
  EXPECT_FALSE(w.b_enc.defined());
}

}  // namespace
