#include "plugins/saes/topk/topk.h"
#include "tests/plugins/saes/support/reference.h"

#include <saffron/dead_latents.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/ones.h>

#include <string>
#include <utility>
#include <vector>

// Which rows dead latents get, and what they make of them.

using namespace saffron;
using namespace saffron::plugins;
using Dead = DeadLatentOptions;

namespace {

constexpr std::int64_t kSeen = 1000;

// Latents that are all dead, and rows e_1, e_2, ... of which row b has an error of norm b.
struct Draw {
  at::Tensor latents, rows;  // that were drawn anew, and the row of each
  at::Tensor W_dec;
};

Draw draw_of(Dead options, std::int64_t latents, std::int64_t rows, std::uint64_t seed) {
  options.dead = Dead::Method::resample;
  options.dead_after = 1;
  options.resample_every = 1;
  DeadLatents dead(options);
  Tensors buffers;
  buffers.set("last_fired", at::zeros({latents}, at::kLong));
  dead.bind(buffers);
  const auto some = [&](std::int64_t columns) { return at::ones({latents, columns}, at::kDouble); };
  const DeadLatents::Weights weights{some(rows), some(1).flatten(), some(rows),
                                     "W_enc",    "b_enc",           "W_dec"};
  DeadLatents::Step step;
  step.rows = step.target = at::eye(rows, at::kDouble);
  step.e = step.rows * at::arange(rows, at::kDouble).unsqueeze(1);  // the first has none
  SaeInput input;
  input.rows_seen = kSeen;
  const Codes none = Codes::from_dense(at::zeros({rows, latents}, at::kDouble));
  Draw out;
  out.latents = dead.after_step(input, none, weights, step, Random(seed));
  out.W_dec = weights.W_dec;
  if (out.latents.defined()) out.rows = out.W_dec.index_select(0, out.latents).argmax(1);
  return out;
}

// Bricken et al.: the square of the loss; dictionary_learning: the norm of the error.
TEST(ResampleOdds, AreThoseOfTheLossSquaredOrOfTheErrorsNorm) {
  constexpr std::int64_t kLatents = 20'000, kRows = 5;
  for (const auto& [odds, power] : {std::pair("squared_loss", 4), {"error_norm", 1}}) {
    const Draw drawn = draw_of({.resample_odds = odds}, kLatents, kRows, 3);
    ASSERT_EQ(drawn.latents.size(0), kLatents);
    const at::Tensor want = at::arange(kRows, at::kDouble).pow(power);
    const at::Tensor got = at::bincount(drawn.rows, {}, kRows).to(at::kDouble) / kLatents;
    EXPECT_TRUE(at::allclose(got, want / want.sum(), 0, 0.015)) << odds << got;
    EXPECT_EQ(got[0].item<double>(), 0);
  }
}

// torch.multinomial without replacement, as dictionary_learning draws: the first latents get the rows.
TEST(ResampleOdds, OfDistinctRowsLeaveLatentsBeyondThemAsTheyWere) {
  const Draw drawn = draw_of({.resample_distinct = true}, 9, 6, 3);
  EXPECT_TRUE(at::equal(drawn.latents, at::arange(5)));  // the row without an error is for nobody
  EXPECT_TRUE(at::equal(std::get<0>(drawn.rows.sort()), at::arange(1, 6)));
  EXPECT_TRUE(drawn.W_dec.slice(0, 5).eq(1).all().item<bool>());
  EXPECT_EQ(draw_of({.resample_distinct = true}, 2, 6, 3).latents.size(0), 2);
}

TEST(ResampleOdds, OfDistinctRowsAreThoseOfTheRowsThatAreLeft) {
  constexpr int kTimes = 6000;
  at::Tensor first = at::zeros({4}, at::kDouble), pairs = at::zeros({4, 4}, at::kDouble);
  for (int seed = 0; seed < kTimes; ++seed) {
    const Draw drawn = draw_of({.resample_odds = "error_norm", .resample_distinct = true}, 2, 4,
                               static_cast<std::uint64_t>(seed));
    const auto one = drawn.rows[0].item<std::int64_t>(), two = drawn.rows[1].item<std::int64_t>();
    first[one] += 1.0 / kTimes;
    pairs[one][two] += 1.0 / kTimes;
  }
  for (std::int64_t i = 1; i < 4; ++i) {
    EXPECT_NEAR(first[i].item<double>(), static_cast<double>(i) / 6, 0.025);
    for (std::int64_t j = 1; j < 4; ++j) {
      const double want =
          i == j ? 0 : static_cast<double>(i * j) / static_cast<double>(6 * (6 - i));
      EXPECT_NEAR(pairs[i][j].item<double>(), want, 0.025) << i << ' ' << j;
    }
  }
}

struct Shape {
  bool centred, unit, standardise;
  std::int64_t d_out;
};
class ResampledRows : public testing::TestWithParam<Shape> {};

constexpr std::int64_t kD = 7, kWidth = 24, kDead = 10;

// b_dec is what the step had, not what its update makes of it.
TEST_P(ResampledRows, AreAsTheyWereReadOrLessWhatWasSubtracted) {
  const Shape& shape = GetParam();
  const bool transcodes = shape.d_out != kD;
  TopK::Options options;
  options.dictionary.width = kWidth;
  options.dictionary.standardise = shape.standardise;
  options.dictionary.W_enc_init = "random";
  options.dead = {.dead = Dead::Method::resample, .dead_after = 10, .resample_every = 5};
  options.dead.resample_scale = 0.3;
  options.dead.resample_centred = shape.centred;
  options.dead.resample_unit = shape.unit;
  options.k.k = 4;
  TopK sae(options);
  SaeFixture fixture(sae, SaeShape{{{"x", kD}}, {{transcodes ? "y" : "x", shape.d_out}}}, 5);
  at::Tensor fired = fixture.buffers["last_fired"], b_enc = fixture.parameters["b_enc"],
             b_dec = fixture.parameters["b_dec"];
  fired.slice(0, kDead).fill_(kSeen + 5);
  b_enc.slice(0, 0, kDead).fill_(-100);
  SaeInput input = rows_of(6, kD);
  input.rows_seen = kSeen;
  if (transcodes) {
    input.targets[0] = Random(9).normal_rows(0, input.inputs[0].size(0), shape.d_out, at::kDouble);
  }
  at::Tensor x = input.inputs[0], y = input.targets[0];
  if (shape.standardise) {
    y = x - x.mean(1, true);
    x = y / (y.square().mean(1, true).sqrt() + 1e-8);
    if (shape.centred) y = y - b_dec * (y.square().mean(1, true).sqrt() + 1e-8);
  } else if (shape.centred) {
    y = y - b_dec;
  }
  if (shape.centred && !transcodes) x = x - b_dec;
  const double size =
      fixture.parameters["W_enc"].slice(0, kDead).norm(2, at::IntArrayRef{1}).mean().item<double>();

  const Forward forward = sae.forward(input);
  b_dec.add_(3);
  sae.after_step(input, forward);
  ASSERT_TRUE(sae.take_resampled().defined());
  const auto unit = [](const at::Tensor& rows) {
    return rows / rows.norm(2, at::IntArrayRef{1}, true);
  };
  const at::Tensor W_dec = fixture.parameters["W_dec"].slice(0, 0, kDead);
  const at::Tensor taken = W_dec.mm(unit(y).t()).argmax(1);
  EXPECT_TRUE(at::allclose(W_dec, unit(y).index_select(0, taken), 1e-9, 1e-11));
  const at::Tensor rows = (shape.unit ? unit(x) : x).index_select(0, taken) * (0.3 * size);
  EXPECT_TRUE(at::allclose(fixture.parameters["W_enc"].slice(0, 0, kDead), rows, 1e-9, 1e-11));
  EXPECT_TRUE(b_enc.slice(0, 0, kDead).eq(0).all().item<bool>());
}

std::vector<Shape> shapes() {
  std::vector<Shape> out;
  for (const bool centred : {true, false}) {
    for (const bool unit : {true, false}) {
      out.push_back({centred, unit, false, kD});
      out.push_back({centred, unit, true, kD});
      out.push_back({centred, unit, false, kD + 2});
    }
  }
  return out;
}
INSTANTIATE_TEST_SUITE_P(All, ResampledRows, testing::ValuesIn(shapes()));

}  // namespace
