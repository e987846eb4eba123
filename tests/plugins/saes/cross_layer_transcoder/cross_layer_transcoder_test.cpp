#include "plugins/saes/cross_layer_transcoder/cross_layer_transcoder.h"
#include "plugins/saes/cross_layer_transcoder/selection.h"
#include "tests/caught.h"
#include "tests/plugins/saes/support/reference.h"
#include "tests/plugins/saes/support/streams.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <tuple>

using namespace saffron;
using plugins::CrossLayerTranscoder;
using Activation = CrossLayerTranscoder::Activation;
using Penalty = WeightedPenaltyOptions::Penalty;

namespace {

constexpr std::int64_t kWidth = 9, kK = 4;
const std::vector<std::int64_t> kReads{4, 3, 5}, kPredicts{3, 4, 2};
const std::vector<std::int64_t> kColumns{0, 3, 7, 9};

SaeShape shape() { return {streams_of("in", kReads), streams_of("out", kPredicts)}; }

SaeInput input_of(std::uint64_t seed) { return streams_input(seed, kReads, kPredicts); }

std::string named(const char* name, std::size_t layer) { return cat(name, ".", layer); }

std::vector<std::int64_t> targets_from(std::size_t layer) {
  return {kPredicts.begin() + static_cast<std::ptrdiff_t>(layer), kPredicts.end()};
}

CrossLayerTranscoder::Options options_of(Activation activation, bool across = true,
                                         DecoderNorm norm = DecoderNorm::concatenated,
                                         Penalty penalty = Penalty::tanh) {
  CrossLayerTranscoder::Options options;
  options.width = kWidth;
  options.activation = activation;
  options.across_layers = across;
  options.penalty = {.penalty = penalty, .coef = 0.3, .warmup = 0, .tanh_scale = 2, .norm = norm};
  options.selection.k.k = kK;
  options.jump = {.threshold_init = 0.2, .bandwidth = 0.5};
  return options;
}

// 1 on the `count` largest of each row.
at::Tensor largest_of_rows(const at::Tensor& a, std::int64_t count) {
  return at::zeros_like(a).scatter(1, std::get<1>(a.topk(count, 1)), 1.0) * a.gt(0);
}

// Which entries of dense [B, F] a layer are kept; layers side by side in the choice where they share k.
std::vector<at::Tensor> kept(const CrossLayerTranscoder::Options& options,
                             const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& n,
                             double theta) {
  std::vector<at::Tensor> groups, out;
  for (std::size_t i = 0; i < a.size(); ++i) {
    groups.push_back(a[i].detach().clamp_min(0) * n[i].detach());
  }
  if (options.across_layers) groups = {at::cat(groups, 1)};
  for (std::size_t g = 0; g < groups.size(); ++g) {
    switch (options.activation) {
      case Activation::relu: groups[g] = groups[g].gt(0).to(at::kDouble); break;
      case Activation::topk: groups[g] = largest_of_rows(groups[g], kK); break;
      case Activation::batch_topk:
        groups[g] = largest_of_batch(groups[g], kK * groups[g].size(0));
        break;
      case Activation::jumprelu: break;
    }
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (options.activation == Activation::jumprelu) {
      out.push_back(a[i].detach().gt(theta).to(at::kDouble));
    } else {
      out.push_back(options.across_layers
                        ? groups[0].slice(1, static_cast<std::int64_t>(i) * kWidth,
                                          static_cast<std::int64_t>(i + 1) * kWidth)
                        : groups[i]);
    }
  }
  return out;
}

struct Expected {
  std::vector<at::Tensor> codes, reconstructions, thresholds;
  double penalty = 0;
};

// The whole step, layer by layer and target by target, on dense matrices in float64.
Expected expected(Reference& want, const SaeInput& input,
                  const CrossLayerTranscoder::Options& options) {
  Expected out;
  std::vector<at::Tensor> a, n, values;
  for (std::size_t i = 0; i < 3; ++i) {
    a.push_back(at::mm(input.inputs[i], want.leaf[named("W_enc", i)].t()) +
                want.leaf[named("b_enc", i)]);
    n.push_back(norms_of(options.penalty.norm, want.leaf[named("W_dec", i)], targets_from(i)));
  }
  const double theta = options.jump.threshold_init;
  const std::vector<at::Tensor> keep = kept(options, a, n, theta);
  at::Tensor loss;
  for (std::size_t i = 0; i < 3; ++i) {
    out.codes.push_back((a[i] * keep[i]).detach());
    values.push_back(out.codes[i].clone().requires_grad_(true));
  }
  for (std::size_t j = 0; j < 3; ++j) {
    at::Tensor yhat = want.leaf["b_dec"].slice(0, kColumns[j], kColumns[j + 1]);
    for (std::size_t i = 0; i <= j; ++i) {
      const at::Tensor W = want.leaf[named("W_dec", i)].slice(1, kColumns[j] - kColumns[i],
                                                              kColumns[j + 1] - kColumns[i]);
      yhat = yhat + at::mm(values[i], W);
    }
    out.reconstructions.push_back(yhat.detach());
    const at::Tensor error = mean_square(input.targets[j] - yhat);
    loss = loss.defined() ? loss + error : error;
  }
  if (options.penalty.penalty != Penalty::none) {
    at::Tensor own = penalty_of(options.penalty, values[0], n[0]);
    for (std::size_t i = 1; i < 3; ++i) own = own + penalty_of(options.penalty, values[i], n[i]);
    out.penalty = own.item<double>();
    loss = loss + options.penalty.coef * own;
  }
  loss.backward();
  for (std::size_t i = 0; i < 3; ++i) {
    const at::Tensor rect =
        (a[i].detach() - theta).abs().lt(options.jump.bandwidth / 2) / options.jump.bandwidth;
    const at::Tensor kernel = values[i].grad() * theta * rect, passed = values[i].grad() * keep[i];
    a[i].backward(options.jump.ste_to_input ? passed + kernel : passed);
    out.thresholds.push_back(-kernel.sum(0));
  }
  return out;
}

using Case = std::tuple<Activation, bool, DecoderNorm, Penalty, bool>;
class TranscoderLoss : public testing::TestWithParam<Case> {};

TEST_P(TranscoderLoss, IsThatOfPlainAutograd) {
  const auto [activation, across, norm, penalty, to_input] = GetParam();
  CrossLayerTranscoder::Options options = options_of(activation, across, norm, penalty);
  options.jump.ste_to_input = to_input && activation == Activation::jumprelu;
  CrossLayerTranscoder sae(options);
  SaeFixture fixture(sae, shape(), 3);
  const SaeInput input = input_of(4);
  const auto got = fixture.gradients(sae, input);
  const Forward forward = sae.forward(input);
  ASSERT_EQ(forward.codes.size(), 3u);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  const Expected by_formula = expected(want, input, options);
  expect_gradients(got, want);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(at::allclose(forward.codes[i].to_dense(), by_formula.codes[i], 1e-9, 1e-11)) << i;
    EXPECT_TRUE(
        at::allclose(forward.reconstructions[i], by_formula.reconstructions[i], 1e-9, 1e-11))
        << i;
    if (activation != Activation::jumprelu) continue;
    EXPECT_TRUE(at::allclose(got.at(named("threshold", i)), by_formula.thresholds[i], 1e-9, 1e-11));
    EXPECT_GT(by_formula.thresholds[i].abs().max().item<double>(), 0);
  }
  ASSERT_EQ(forward.terms.size(), penalty == Penalty::none ? 0u : 1u);
  if (penalty == Penalty::none) return;
  EXPECT_NEAR(forward.terms[0].value.item<double>(), by_formula.penalty, 1e-10);
}

INSTANTIATE_TEST_SUITE_P(
    All, TranscoderLoss,
    testing::Combine(testing::Values(Activation::relu, Activation::topk, Activation::batch_topk,
                                     Activation::jumprelu),
                     testing::Bool(), testing::Values(DecoderNorm::concatenated, DecoderNorm::sum),
                     testing::Values(Penalty::none, Penalty::l1, Penalty::tanh), testing::Bool()));

// Decoding in use is that of training, and a layer never writes to an earlier one.
TEST(CrossLayerTranscoder, WritesToItsLayerAndLaterOnes) {
  CrossLayerTranscoder sae(options_of(Activation::relu));
  SaeFixture fixture(sae, shape(), 5);
  const SaeInput input = input_of(6);
  const std::vector<Codes> codes = sae.encode(input.inputs);
  const std::vector<at::Tensor> before = sae.decode(codes),
                                trained = sae.forward(input).reconstructions;
  for (std::size_t layer = 0; layer < 3; ++layer) {
    EXPECT_TRUE(at::allclose(before[layer], trained[layer]));
    std::vector<Codes> more = codes;
    more[layer] = codes[layer].with_values(codes[layer].values() + 1);
    const std::vector<at::Tensor> after = sae.decode(more);
    for (std::size_t target = 0; target < 3; ++target) {
      const double moved = (after[target] - before[target]).abs().max().item<double>();
      EXPECT_EQ(moved > 0, target >= layer) << layer << " -> " << target;
    }
  }
}

TEST(CrossLayerTranscoder, StartsUniform) {
  CrossLayerTranscoder::Options options = options_of(Activation::relu);
  options.width = 400;
  CrossLayerTranscoder sae(options);
  SaeFixture fixture(sae, shape(), 7);
  const auto spread = [](const at::Tensor& W, double bound) {
    EXPECT_LE(W.abs().max().item<double>(), bound);
    EXPECT_GT(W.abs().max().item<double>(), 0.98 * bound);
    EXPECT_NEAR(W.square().mean().item<double>(), bound * bound / 3, 0.1 * bound * bound / 3);
  };
  for (std::size_t i = 0; i < 3; ++i) {
    spread(fixture.parameters[named("W_enc", i)], 1 / std::sqrt(400.0));
    for (std::size_t j = i; j < 3; ++j) {
      spread(fixture.parameters[named("W_dec", i)].slice(1, kColumns[j] - kColumns[i],
                                                         kColumns[j + 1] - kColumns[i]),
             1 / std::sqrt(3.0 * static_cast<double>(kPredicts[j])));
    }
  }
  EXPECT_EQ(fixture.parameters["b_dec"].abs().max().item<double>(), 0);
}

// In use, one threshold over weighted values for all layers, or one a layer.
TEST(CrossLayerTranscoder, BatchTopKKeepsItsThresholds) {
  for (const bool across : {true, false}) {
    CrossLayerTranscoder sae(options_of(Activation::batch_topk, across));
    SaeFixture fixture(sae, shape(), 9);
    const SaeInput input = input_of(10);
    const Forward forward = sae.forward(input);
    sae.after_step(input, forward);
    double smallest_of_all = 1e9;
    std::vector<double> smallest;
    for (std::size_t i = 0; i < 3; ++i) {
      const at::Tensor W = fixture.parameters[named("W_dec", i)];
      const at::Tensor weighted =
          forward.codes[i].to_dense() * norms_of(DecoderNorm::concatenated, W, {});
      smallest.push_back(weighted.masked_select(weighted.gt(0)).min().item<double>());
      smallest_of_all = std::min(smallest_of_all, smallest.back());
    }
    for (std::size_t i = 0; i < 3; ++i) {
      const double theta =
          fixture.buffers[across ? "threshold" : named("threshold", i)].item<double>();
      EXPECT_NEAR(theta, across ? smallest_of_all : smallest[i], 1e-12);
    }
    std::int64_t kept = 0, used = 0;
    for (const Codes& codes : forward.codes) kept += codes.l0().sum().item<std::int64_t>();
    for (const Codes& codes : sae.encode(input.inputs))
      used += codes.l0().sum().item<std::int64_t>();
    EXPECT_EQ(used, kept - (across ? 1 : 3));  // the jump is strict
  }
}

// The running threshold makes the choice quicker, not another one.
TEST(CrossLayerTranscoder, BatchTopKChoosesTheSameUnderAnyThreshold) {
  CrossLayerTranscoder sae(options_of(Activation::batch_topk));
  SaeFixture fixture(sae, shape(), 13);
  const SaeInput input = input_of(14);
  const Forward first = sae.forward(input);
  sae.after_step(input, first);
  const double theta = fixture.buffers["threshold"].item<double>();
  for (const double threshold : {1e-6, 0.5 * theta, theta, 1.01 * theta / 0.9, 1e6}) {
    at::Tensor(fixture.buffers["threshold"]).fill_(threshold);
    const Forward again = sae.forward(input);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::equal(first.codes[i].to_dense(), again.codes[i].to_dense())) << threshold;
    }
  }
}

// Ties and zeros: never more than k a row, rows' latents ascend, nothing that is 0 stays.
TEST(CrossLayerTranscoder, SelectionAcrossSpaces) {
  const at::Tensor first =
      at::stack({Random(1).normal_rows(0, 1, 3, at::kDouble).squeeze(0).zero_() + 2,
                 Random(1).normal_rows(0, 1, 3, at::kDouble).squeeze(0).zero_()});
  const at::Tensor indices = at::stack({first[0].to(at::kInt) * 0 + 5, first[0].to(at::kInt)});
  at::Tensor places = indices.clone();
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t e = 0; e < 3; ++e) places[r][e].fill_(7 - 2 * e);  // 7, 5, 3
  }
  const Codes a = Codes::topk(first, places, 8), b = Codes::topk(first + 1, places, 8);
  const std::vector<Codes> out = plugins::largest_of_all({a, b}, {a.values(), b.values()}, 4);
  ASSERT_EQ(out.size(), 2u);
  const auto l0 = [&](std::size_t space, std::int64_t row) {
    return out[space].l0()[row].item<std::int64_t>();
  };
  EXPECT_EQ(l0(1, 0), 3);  // 3, 3, 3 beside 2, 2, 2
  EXPECT_EQ(l0(0, 0), 1);
  EXPECT_EQ(l0(1, 1), 3);  // 1, 1, 1 beside zeros
  EXPECT_EQ(l0(0, 1), 0);
  EXPECT_EQ(out[0].indices().size(0), 1);
  EXPECT_TRUE(
      out[1].indices().eq(at::cat({places[0].flip(0), places[0].flip(0)})).all().item<bool>());
}

// A layer's AuxK is ||e - f_dead W_dec_dead||^2 over its targets, with f the aux_k largest by n ReLU(a).
class CrossLayerAuxK : public testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Of, CrossLayerAuxK, testing::Values(1, 2, kWidth));

TEST_P(CrossLayerAuxK, DeadLatentsOfALayerExplainTheErrorsItWritesTo) {
  CrossLayerTranscoder::Options options =
      options_of(Activation::topk, true, DecoderNorm::concatenated, Penalty::none);
  options.dead = {.dead = DeadLatentOptions::Method::auxk,
                  .dead_after = 10,
                  .aux_coef = 0.5,
                  .aux_k = GetParam(),
                  .aux_scale = "raw"};
  CrossLayerTranscoder sae(options);
  SaeFixture fixture(sae, shape(), 11);
  for (std::size_t i = 0; i < 3; ++i) {
    at::Tensor fired = fixture.buffers[named("last_fired", i)];
    fired.fill_(1000);
    if (i < 2) fired.slice(0, 2, 6).fill_(0);  // the last layer has no dead ones
    at::Tensor W_dec = fixture.parameters[named("W_dec", i)];
    W_dec.mul_((0.5 + Random(i).uniform_rows(0, kWidth, 1, at::kDouble)).pow(3));
  }
  SaeInput input = input_of(12);
  const auto without = fixture.gradients(sae, input);
  input.rows_seen = 1000;
  const auto with = fixture.gradients(sae, input);
  const Forward forward = sae.forward(input);
  ASSERT_EQ(forward.terms.size(), 2u);
  EXPECT_EQ(forward.terms[0].name, "auxk.0");
  EXPECT_EQ(forward.terms[1].name, "auxk.1");

  const at::Tensor e = at::cat(input.targets, 1) - at::cat(forward.reconstructions, 1);
  const c10::AutoGradMode with_grad(true);
  Reference want(fixture);
  for (std::size_t i = 0; i < 2; ++i) {
    const at::Tensor a =
        at::mm(input.inputs[i], want.leaf[named("W_enc", i)].t()) + want.leaf[named("b_enc", i)];
    const at::Tensor of_dead = want.leaf[named("W_dec", i)].slice(0, 2, 6);
    const at::Tensor f = a.slice(1, 2, 6).clamp_min(0);
    const at::Tensor n = of_dead.detach().norm(2, at::IntArrayRef{1});
    const at::Tensor chosen =
        std::get<1>((f.detach() * n).topk(std::min<std::int64_t>(GetParam(), 4), 1));
    const at::Tensor ehat = at::mm(f * at::zeros_like(f).scatter(1, chosen, 1.0), of_dead);
    const at::Tensor term = mean_square(e.slice(1, kColumns[i]) - ehat);
    EXPECT_NEAR(forward.terms[i].value.item<double>(), term.item<double>(), 1e-10);
    (0.5 * term).backward();
  }
  for (const auto& [name, leaf] : want.leaf) {
    const at::Tensor own = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
    EXPECT_TRUE(at::allclose(with.at(name) - without.at(name), own, 1e-9, 1e-11)) << name;
  }
  sae.after_step(input, forward);
  for (std::size_t i = 0; i < 3; ++i) {
    const at::Tensor now = fixture.buffers[named("last_fired", i)].eq(1013);
    EXPECT_TRUE(now.eq(forward.codes[i].firing_counts().gt(0)).all().item<bool>());
  }
}

TEST(CrossLayerTranscoder, SaysWhatItCannotTake) {
  const auto refusal = [](const CrossLayerTranscoder::Options& options, const SaeShape& of) {
    return test::caught([&] { (void)CrossLayerTranscoder(options).declare(of); }).message();
  };
  CrossLayerTranscoder::Options options = options_of(Activation::topk);
  EXPECT_THAT(refusal(options, {streams_of("a", {4}), streams_of("b", {4})}),
              testing::HasSubstr("not 1 and 1"));
  EXPECT_THAT(refusal(options, {streams_of("a", {4, 4}), streams_of("b", {4, 4, 4})}),
              testing::HasSubstr("not 2 and 3"));
  options.selection.k.k = 28;
  EXPECT_THAT(refusal(options, shape()), testing::HasSubstr("k = 28 is more than"));
  options.selection.k.k = 27;
  EXPECT_EQ(CrossLayerTranscoder(options).declare(shape()).spaces, 3);
  options.across_layers = false;
  EXPECT_THAT(refusal(options, shape()), testing::HasSubstr("k = 27 is more than"));
}

}  // namespace
