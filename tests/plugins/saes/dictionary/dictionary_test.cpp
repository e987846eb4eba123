#include "plugins/saes/batch_topk/batch_topk.h"
#include "plugins/saes/gated/gated.h"
#include "plugins/saes/matryoshka/matryoshka.h"
#include "plugins/saes/topk/topk.h"
#include "tests/plugins/saes/support/reference.h"

#include <saffron/init.h>

#include <c10/core/GradMode.h>

#include <functional>
#include <memory>
#include <ostream>

// Strategies that any SAE on the shared dictionary can use, beside what each adds to its loss.

using namespace saffron;
using namespace saffron::plugins;
using Dead = DeadLatentOptions;

namespace {

constexpr std::int64_t kD = 7, kWidth = 24, kDead = 10, kSeen = 1000;

struct Standardised {
  const char* name;
  std::function<std::unique_ptr<DictionarySae>()> make;
  bool differentiable = true;  // else its terms hold something fixed
};

void PrintTo(const Standardised& of, std::ostream* out) { *out << of.name; }

template <class S, class Set>
std::unique_ptr<DictionarySae> standardised(Set&& set) {
  typename S::Options options;
  options.dictionary.width = kWidth;
  options.dictionary.standardise = true;
  options.dead = {};
  set(options);
  return std::make_unique<S>(options);
}

std::unique_ptr<DictionarySae> topk_with(const Dead& dead) {
  return standardised<TopK>([&](TopK::Options& o) {
    o.dead = dead;
    o.k.k = 4;
  });
}

std::vector<Standardised> all_standardised() {
  return {
      {"matryoshka",
       [] {
         return standardised<Matryoshka>([](Matryoshka::Options& o) {
           o.selection.k.k = 4;
           o.groups = {3, 10, kWidth};
         });
       }},
      {"multi_topk",
       [] {
         return standardised<TopK>([](TopK::Options& o) {
           o.k.k = 3;
           o.multi_k_coef = 0.5;
         });
       }},
      {"gated",
       [] {
         return standardised<Gated>([](Gated::Options& o) {
           o.coef = 0;
           o.detach_auxiliary = false;
         });
       }},
      {"auxk_raw",
       [] {
         return topk_with(
             {.dead = Dead::Method::auxk, .dead_after = 10, .aux_k = 4, .aux_scale = "raw"});
       },
       false},
      {"auxk_relative",
       [] { return topk_with({.dead = Dead::Method::auxk, .dead_after = 10, .aux_k = 4}); }, false},
      {"ghost", [] { return topk_with({.dead = Dead::Method::ghost, .dead_after = 10}); }, false}};
}

SaeInput late(SaeInput input) {
  input.rows_seen = kSeen;
  return input;
}

// The first kDead latents have not fired for long.
void let_die(SaeFixture& fixture) {
  at::Tensor fired = fixture.buffers["last_fired"];
  fired.slice(0, kDead).fill_(kSeen + 5);
}

double own_loss(const Forward& forward) {
  double sum = 0;
  for (const Forward::Term& term : forward.terms) {
    sum += term.weight * term.value.item<double>();
  }
  return sum;
}

std::vector<Standardised> differentiable() {
  std::vector<Standardised> out = all_standardised();
  std::erase_if(out, [](const Standardised& of) { return !of.differentiable; });
  return out;
}

class OwnErrors : public testing::TestWithParam<Standardised> {};
INSTANTIATE_TEST_SUITE_P(Standardise, OwnErrors, testing::ValuesIn(all_standardised()),
                         [](const auto& given) { return std::string(given.param.name); });
class OwnGradients : public testing::TestWithParam<Standardised> {};
INSTANTIATE_TEST_SUITE_P(Standardise, OwnGradients, testing::ValuesIn(differentiable()),
                         [](const auto& given) { return std::string(given.param.name); });

// Rows three times as large have the same codes, and all squared errors are nine times as large.
TEST_P(OwnErrors, AreThoseOfTheRowsAsTheyWereRead) {
  const auto sae = GetParam().make();
  SaeFixture fixture(*sae, kD, 5);
  let_die(fixture);
  const SaeInput input = late(rows_of(6, kD));
  SaeInput larger = input;
  larger.inputs[0] = larger.targets[0] = input.inputs[0] * 3;
  const double once = own_loss(sae->forward(input));
  ASSERT_GT(once, 0);
  // Deviations have 1e-8 added, and ghosts' norms 1e-6.
  EXPECT_NEAR(own_loss(sae->forward(larger)) / once, 9, 1e-5);
}

TEST_P(OwnGradients, AreThoseOfDifferences) {
  const auto sae = GetParam().make();
  SaeFixture fixture(*sae, kD, 5);
  const SaeInput input = rows_of(6, kD);
  const auto gradients = fixture.gradients(*sae, input);
  const auto loss = [&] {
    const Forward forward = sae->forward(input);
    return mean_square(input.targets[0] - forward.reconstructions[0]).item<double>() +
           own_loss(forward);
  };
  constexpr double kStep = 1e-6;
  for (const char* name : {"W_enc", "b_enc", "W_dec", "b_dec"}) {
    at::Tensor parameter = fixture.parameters[name].view(-1);
    const at::Tensor gradient = gradients.at(name).flatten();
    for (std::int64_t i = 0; i < parameter.size(0); i += 5) {
      at::Tensor one = parameter.slice(0, i, i + 1);
      one.add_(kStep);
      const double above = loss();
      one.sub_(2 * kStep);
      const double below = loss();
      one.add_(kStep);
      EXPECT_NEAR(gradient[i].item<double>(), (above - below) / (2 * kStep), 1e-6)
          << name << " " << i;
    }
  }
}

// With the weights of the objective the sum is that of the formula: levels of one row space.
TEST(Standardise, MatryoshkasLevelsCountAsTheWholeDoes) {
  const auto sae = standardised<Matryoshka>([](Matryoshka::Options& o) {
    o.selection.k.k = 4;
    o.groups = {kWidth / 2, kWidth};
  });
  SaeFixture fixture(*sae, kD, 5);
  at::Tensor W_dec = fixture.parameters["W_dec"];
  W_dec.slice(0, kWidth / 2).zero_();  // the inner level is all that there is
  const SaeInput input = rows_of(6, kD);
  const Forward forward = sae->forward(input);
  EXPECT_NEAR(own_loss(forward),
              mean_square(input.targets[0] - forward.reconstructions[0]).item<double>(), 1e-10);
}

// ---- what latents compete by --------------------------------------------------------------------

template <class S>
class ByContribution : public testing::Test {};
using Selecting = testing::Types<TopK, BatchTopK, Matryoshka>;
TYPED_TEST_SUITE(ByContribution, Selecting);

void set_k(TopK::Options& options) { options.k.k = 4; }
void set_k(BatchTopK::Options& options) { options.selection.k.k = 4; }
void set_k(Matryoshka::Options& options) { options.selection.k.k = 4; }

// SAELens: a ||W_dec|| competes, of dead latents too, and f W_dec has a.
TYPED_TEST(ByContribution, IsWhatRescaledWeightsDoByValue) {
  typename TypeParam::Options options;
  options.dictionary.width = kWidth;
  options.dictionary.unit_decoder = false;
  options.dead = {.dead = Dead::Method::auxk, .dead_after = 10, .aux_k = 3};
  set_k(options);
  TypeParam by_value(options);
  options.by_contribution = true;
  TypeParam by_contribution(options);
  SaeFixture a(by_contribution, kD, 5), b(by_value, kD, 5);
  const at::Tensor norms = (1.5 + Random(3).uniform_rows(0, kWidth, 1, at::kDouble)).pow(3);
  at::Tensor W_dec = a.parameters["W_dec"];
  W_dec.mul_(norms);
  at::Tensor W_enc = b.parameters["W_enc"], b_enc = b.parameters["b_enc"];
  W_enc.mul_(norms);
  b_enc.copy_(a.parameters["b_enc"] * norms.flatten());
  let_die(a);
  let_die(b);
  const SaeInput input = late(rows_of(6, kD));
  const Forward one = by_contribution.forward(input), other = by_value.forward(input);
  EXPECT_TRUE(at::allclose(one.reconstructions[0], other.reconstructions[0]));
  EXPECT_TRUE(at::allclose(one.codes[0].to_dense() * norms.flatten(), other.codes[0].to_dense()));
  EXPECT_EQ(one.terms.back().name, "auxk");
  EXPECT_NEAR(one.terms.back().value.item<double>(), other.terms.back().value.item<double>(),
              1e-10);
  by_contribution.after_step(input, one);
  by_value.after_step(input, other);
  EXPECT_TRUE(at::allclose(by_contribution.decode(by_contribution.encode(input.inputs))[0],
                           by_value.decode(by_value.encode(input.inputs))[0]));
  // What is exported computes the same.
  const CanonicalSae weights = by_contribution.canonical();
  const at::Tensor z = (input.inputs[0] - weights.b_dec).mm(weights.W_enc) + weights.b_enc;
  at::Tensor own = by_contribution.encode(input.inputs)[0].to_dense();
  if (weights.code_scale.defined()) own = own * weights.code_scale;
  EXPECT_TRUE(at::allclose(own, z * own.ne(0)));
  EXPECT_TRUE(at::allclose(own.mm(weights.W_dec) + weights.b_dec,
                           by_contribution.decode(by_contribution.encode(input.inputs))[0]));
}

// ---- skip transcoders ---------------------------------------------------------------------------

class SkipTranscoder : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Predicts, SkipTranscoder, testing::Values(kD, kD + 2));

TopK::Options skip_options() {
  return {.dictionary = {.width = kWidth, .skip = true, .W_enc_init = "random"},
          .dead = {},
          .k = {.k = 4}};
}

// W_skip starts at 0, so that b_dec is the centre of what is predicted and directions are from there.
TEST_P(SkipTranscoder, StartsFromWhatItPredicts) {
  const std::int64_t width = GetParam();
  const at::Tensor y = Random(5).fork("sample").fork("next").normal_rows(
      0, 64, width, at::kDouble);  // the fixture's
  for (const char* centre : {"zero", "mean", "geometric_median"}) {
    TopK::Options options = skip_options();
    options.dictionary.b_dec_init = centre;
    options.dictionary.W_dec_init = "data";
    TopK sae(options);
    SaeFixture fixture(sae, SaeShape{{{"x", kD}}, {{"y", width}}}, 5);
    const at::Tensor& b_dec = fixture.parameters["b_dec"];
    EXPECT_TRUE(at::allclose(b_dec, init::centre(centre, y))) << centre;
    const at::Tensor from_there = y - b_dec;
    const at::Tensor unit = from_there / from_there.norm(2, at::IntArrayRef{1}, true);
    const at::Tensor best = std::get<0>(fixture.parameters["W_dec"].mm(unit.t()).max(1));
    EXPECT_TRUE(at::allclose(best, at::ones_like(best))) << centre;
  }
}

TEST_P(SkipTranscoder, GradientsEqualAutograd) {
  TopK sae(skip_options());
  SaeFixture fixture(sae, SaeShape{{{"x", kD}}, {{"y", GetParam()}}}, 5);
  at::Tensor W_skip = fixture.parameters["W_skip"];
  W_skip.copy_(Random(7).normal_rows(0, GetParam(), kD, at::kDouble));
  SaeInput input = rows_of(6, kD);
  const at::Tensor x = input.inputs[0];
  const at::Tensor y = Random(9).normal_rows(0, x.size(0), GetParam(), at::kDouble) + 1;
  input.targets[0] = y;
  const auto got = fixture.gradients(sae, input);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const at::Tensor a = x.mm(want.leaf["W_enc"].t()) + want.leaf["b_enc"];
  const auto [value, at] = a.topk(4, 1);
  const at::Tensor f = at::zeros_like(a).scatter(1, at, value.clamp_min(0));
  mean_square(y - want.decoded(f) - x.mm(want.leaf["W_skip"].t())).backward();
  expect_gradients(got, want);
}

// A transcoder's decoder lives where it predicts, its encoder where it reads.
TEST(Resample, OfATranscoderTakesItsDecoderFromWhatItPredicts) {
  for (const std::int64_t width : {kD, kD + 2}) {
    TopK::Options options{
        .dictionary = {.width = kWidth, .W_enc_init = "random"},
        .dead = {.dead = Dead::Method::resample, .dead_after = 10, .resample_every = 5},
        .k = {.k = 4}};
    TopK sae(options);
    SaeFixture fixture(sae, SaeShape{{{"x", kD}}, {{"y", width}}}, 5);
    let_die(fixture);
    at::Tensor b_enc = fixture.parameters["b_enc"], b_dec = fixture.parameters["b_dec"];
    b_enc.slice(0, 0, kDead).fill_(-100);
    const at::Tensor b_before = b_dec.clone();
    SaeInput input = late(rows_of(6, kD));
    input.targets[0] = Random(9).normal_rows(0, input.inputs[0].size(0), width, at::kDouble) + 1;
    const Forward forward = sae.forward(input);
    sae.after_step(input, forward);
    ASSERT_TRUE(sae.take_resampled().defined());
    const auto unit = [](const at::Tensor& rows) {
      return rows / rows.norm(2, at::IntArrayRef{1}, true);
    };
    const at::Tensor likeness_dec = unit(fixture.parameters["W_dec"].slice(0, 0, kDead))
                                        .mm(unit(input.targets[0] - b_before).t());
    const at::Tensor likeness_enc =
        unit(fixture.parameters["W_enc"].slice(0, 0, kDead)).mm(unit(input.inputs[0]).t());
    const auto [best_dec, row_dec] = likeness_dec.max(1);
    const auto [best_enc, row_enc] = likeness_enc.max(1);
    EXPECT_TRUE(at::allclose(best_dec, at::ones_like(best_dec)));
    EXPECT_TRUE(at::allclose(best_enc, at::ones_like(best_enc)));
    EXPECT_TRUE(at::equal(row_dec, row_enc));  // of one row
  }
}

TEST(Resample, DrawsAnewWhenNoneLives) {
  const auto sae =
      topk_with({.dead = Dead::Method::resample, .dead_after = 10, .resample_every = 5});
  SaeFixture fixture(*sae, kD, 5);
  at::Tensor b_enc = fixture.parameters["b_enc"];
  b_enc.fill_(-100);
  const SaeInput input = late(rows_of(6, kD));
  const Forward forward = sae->forward(input);
  sae->after_step(input, forward);
  const at::Tensor drawn = sae->take_resampled();
  ASSERT_TRUE(drawn.defined());
  EXPECT_EQ(drawn.size(0), kWidth);
}

TEST(Resample, StopsAfterSoManyTimes) {
  const auto sae = topk_with({.dead = Dead::Method::resample,
                              .dead_after = 10,
                              .resample_every = 100,
                              .resample_times = 10});
  SaeFixture fixture(*sae, kD, 5);
  at::Tensor b_enc = fixture.parameters["b_enc"];
  SaeInput input = rows_of(6, kD);  // 13 rows: each of these steps passes a multiple of 100
  for (const auto& [seen, drawn] : {std::pair(995, true), std::pair(1095, false)}) {
    b_enc.slice(0, 0, kDead).fill_(-100);
    input.rows_seen = seen;
    const Forward forward = sae->forward(input);
    sae->after_step(input, forward);
    EXPECT_EQ(sae->take_resampled().defined(), drawn) << seen;
  }
}

// SAELens: dead latents' values as they are, and less weight while few are dead.
TEST(AuxK, OfFewDeadLatentsAsTheyAre) {
  const auto make = [](bool rectified, bool in_proportion, std::int64_t k) {
    return topk_with({.dead = Dead::Method::auxk,
                      .dead_after = 10,
                      .aux_coef = 1,
                      .aux_k = k,
                      .aux_scale = "raw",
                      .aux_in_proportion = in_proportion,
                      .aux_rectified = rectified});
  };
  const SaeInput input = late(rows_of(6, kD));
  for (const std::int64_t k : {std::int64_t{1}, 3 * kDead}) {  // sparse and dense
    const auto whole = make(false, false, k), less = make(false, true, k);
    SaeFixture fixture(*whole, kD, 5), other(*less, kD, 5);
    for (SaeFixture* of : {&fixture, &other}) {
      let_die(*of);
      at::Tensor b_enc = of->parameters["b_enc"];
      b_enc.slice(0, 0, kDead).sub_(2);
    }
    const Forward forward = whole->forward(input);
    const double share = std::min(1.0, static_cast<double>(kDead) / static_cast<double>(k));
    EXPECT_DOUBLE_EQ(less->forward(input).terms.at(0).weight, share);

    const c10::AutoGradMode with_grad(true);
    Reference want(fixture);
    const at::Tensor x = input.inputs[0], mean = x.mean(1, true);
    const at::Tensor deviation = (x - mean).square().mean(1, true).sqrt() + 1e-8;
    const at::Tensor a = (((x - mean) / deviation - want.leaf["b_dec"]).mm(want.leaf["W_enc"].t()) +
                          want.leaf["b_enc"])
                             .slice(1, 0, kDead);
    const at::Tensor e = x - forward.reconstructions[0];
    const auto [best, at] = a.detach().topk(std::min(k, kDead), 1);
    const at::Tensor kept = a * at::zeros_like(a).scatter(1, at, 1.0);
    const at::Tensor ehat = kept.mm(want.leaf["W_dec"].slice(0, 0, kDead)) * deviation;
    const at::Tensor term = mean_square(e - ehat);
    EXPECT_NEAR(forward.terms.at(0).value.item<double>(), term.item<double>(), 1e-10);
    ASSERT_TRUE((kept < 0).any().item<bool>());
    term.backward();
    auto got = fixture.gradients(*whole, input);
    SaeInput early = input;
    early.rows_seen = 0;
    for (const auto& [name, without] : fixture.gradients(*whole, early)) {
      got.at(name) = got.at(name) - without;
    }
    expect_gradients(got, want);
  }
}

// exp of what a dead latent of TopK may have been given overflows.
TEST(Ghost, TermsOfLargePreActivationsAreFinite) {
  const auto sae = topk_with({.dead = Dead::Method::ghost, .dead_after = 10});
  SaeFixture fixture(*sae, kD, 5);
  let_die(fixture);
  at::Tensor W_enc = fixture.parameters["W_enc"];
  W_enc.slice(0, 0, kDead).mul_(1e4);
  const SaeInput input = late(rows_of(6, kD));
  const Forward forward = sae->forward(input);
  ASSERT_EQ(forward.terms.size(), 1U);
  EXPECT_TRUE(std::isfinite(own_loss(forward)));
  for (const auto& [name, gradient] : fixture.gradients(*sae, input)) {
    EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << name;
  }
}

}  // namespace
