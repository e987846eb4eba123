#include "plugins/saes/relu/relu.h"
#include "tests/plugins/saes/support/sae_fixture.h"

#include <saffron/error.h>

#include <saffron/init.h>

#include <ATen/ops/allclose.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>

#include <gtest/gtest.h>

using namespace saffron;
using plugins::Relu;

namespace {

SaeInput input_of(std::uint64_t seed) {
  const at::Tensor x = Random(seed).fork("x").normal_rows(0, 9, 6, at::kDouble) * 3 + 1;
  return {.inputs = {x}, .targets = {x}, .step = 0, .steps = 1, .rows_seen = 0};
}

double loss(const Relu& sae, const at::Tensor& x) {
  return (x - sae.decode(sae.encode({x}))[0]).square().sum(1).mean().item<double>();
}

class ReluVariants : public testing::TestWithParam<Relu::Options> {};

// Central differences on a few elements of every parameter.
TEST_P(ReluVariants, GradientsEqualFiniteDifferences) {
  Relu sae(GetParam());
  SaeFixture fixture(sae, 6, 31);
  const SaeInput input = input_of(32);
  const auto gradients = fixture.gradients(sae, input);
  for (const ParameterSpec& spec : fixture.spec.parameters) {
    if (spec.frozen) continue;
    at::Tensor flat = fixture.parameters[spec.name].view(-1);
    const at::Tensor gradient = gradients.at(spec.name).reshape(-1);
    for (std::int64_t i = 0; i < flat.size(0); i += 5) {
      const double h = 1e-6, held = flat[i].item<double>();
      flat[i].fill_(held + h);
      const double up = loss(sae, input.inputs[0]);
      flat[i].fill_(held - h);
      const double down = loss(sae, input.inputs[0]);
      flat[i].fill_(held);
      EXPECT_NEAR(gradient[i].item<double>(), (up - down) / (2 * h), 1e-6) << spec.name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, ReluVariants,
    testing::Values(Relu::Options{.dictionary = {.width = 10}},
                    Relu::Options{.dictionary = {.width = 10, .tied = true}},
                    Relu::Options{.dictionary = {.width = 10, .pre_bias = false}},
                    Relu::Options{
                        .dictionary = {.width = 10, .decoder_bias = false, .standardise = true}},
                    Relu::Options{.dictionary = {.width = 10, .standardise = true}}));

TEST(Relu, StandardisingIsBlindToScaleAndShiftOfARow) {
  Relu sae({.dictionary = {.width = 10, .decoder_bias = false, .standardise = true}});
  SaeFixture fixture(sae, 6, 33);
  const at::Tensor x = input_of(34).inputs[0];
  const at::Tensor moved = x * 7 + 2;
  EXPECT_TRUE(
      at::allclose(sae.encode({x})[0].values(), sae.encode({moved})[0].values(), 1e-6, 1e-7));
  EXPECT_TRUE(at::allclose(sae.decode(sae.encode({x}))[0] * 7 + 2,
                           sae.decode(sae.encode({moved}))[0], 1e-6, 1e-7));
}

// Rows around a mean that is ten times their spread: b_dec is the centre of what is encoded.
TEST(Relu, StartsAtTheCentreOfStandardisedRows) {
  ActivationRows sample;
  sample.streams = {Random(41).normal_rows(0, 200, 32, at::kDouble) +
                    10 * Random(42).normal_rows(0, 1, 32, at::kDouble)};
  const at::Tensor& x = sample.streams[0];
  const at::Tensor shift = x.mean(1, true);
  const at::Tensor z = (x - shift) / ((x - shift).square().mean(1, true).sqrt() + 1e-8);
  const double spread = (x - x.mean(0)).square().sum(1).mean().item<double>();
  for (const char* method : {"geometric_median", "mean"}) {
    Relu sae({.dictionary = {.width = 16, .standardise = true, .b_dec_init = method}});
    SaeFixture fixture(sae, 32, 43);
    sae.initialise(
        {.random = Random(43), .sample = [&]() -> const ActivationRows& { return sample; }});
    EXPECT_TRUE(at::allclose(fixture.parameters["b_dec"], init::centre(method, z), 1e-9, 1e-12));
    EXPECT_LT(loss(sae, x) / spread, 2) << method;  // the FVU; about 10,000 from raw rows
  }
}

TEST(Relu, RefusesMoreLatentsThanCodesCanName) {
  Relu::Options options;
  Decoded most, more;
  Relu::schema().decode(from_json(R"({"width": 2147483647})", "test"), &options, most);
  Relu::schema().decode(from_json(R"({"width": 2147483648})", "test"), &options, more);
  EXPECT_TRUE(most.ok());
  EXPECT_FALSE(more.ok());
}

TEST(Relu, ExportsWhatItComputes) {
  Relu sae({.dictionary = {.width = 10}});
  SaeFixture fixture(sae, 6, 35);
  const CanonicalSae w = sae.canonical();
  const at::Tensor x = input_of(36).inputs[0];
  const at::Tensor f = at::relu(at::mm(x - w.b_dec, w.W_enc) + w.b_enc);
  EXPECT_TRUE(at::allclose(at::mm(f, w.W_dec) + w.b_dec, sae.decode(sae.encode({x}))[0]));
  Relu standardised({.dictionary = {.width = 10, .standardise = true}});
  SaeFixture other(standardised, 6, 37);
  EXPECT_THROW((void)standardised.canonical(), Error);
}

}  // namespace
