#include "plugins/scorers/loss_recovered/loss_recovered.h"
#include "tests/plugins/scorers/language_model_testing.h"
#include "tests/plugins/scorers/scorer_testing.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <functional>

namespace saffron {
namespace {

using plugins::LossRecovered;
using saffron::testing::error_of;
using saffron::testing::expect_documented;
using saffron::testing::expect_same;
using saffron::testing::feed;
using saffron::testing::FixedContext;
using saffron::testing::FunctionSae;
using saffron::testing::kModelWidth;
using saffron::testing::LetterActivations;
using saffron::testing::metric;
using saffron::testing::pass_sae;
using saffron::testing::relu_sae;
using saffron::testing::StreamsOnly;
using saffron::testing::trained;
using saffron::testing::value;

const std::shared_ptr<Sae> kIdentity = pass_sae([](const at::Tensor& x) { return x; });
const std::shared_ptr<Sae> kZero = pass_sae([](const at::Tensor& x) { return at::zeros_like(x); });
const std::shared_ptr<Sae> kHalf = pass_sae([](const at::Tensor& x) { return 0.5 * x; });

struct Trial {
  std::shared_ptr<LetterActivations> source;
  LossRecovered::Options options;
  FixedContext context;

  explicit Trial(LetterActivations::Layout layout = {})
      : source(std::make_shared<LetterActivations>(layout)) {}
  void add(const std::string& name, std::shared_ptr<Sae> sae, std::vector<std::int64_t> reads = {1},
           std::optional<std::vector<std::int64_t>> predicts = {}) {
    options.sae.push_back(
        trained(name, std::move(sae), source, kModelWidth, std::move(reads), std::move(predicts)));
  }
  Report score(std::vector<std::int64_t> cuts = {}) {
    const LossRecovered scorer(options, context);
    const auto accumulator = scorer.begin();
    feed(scorer, *accumulator, all(), std::move(cuts));
    source->model_.runs = 0;
    return accumulator->finish();
  }
  ActivationRows all() { return source->contexts(0, source->dataset().info().rows); }
};

// Mean cross-entropy over positions [first, T - 1) of all contexts of equal length, and the mean KL
// from the clean model, of the model under edits.
struct Loss {
  double ce, kl;
};
Loss brute_force(LetterActivations& source, std::span<const Edit> edits) {
  std::vector<std::int64_t> every;
  for (std::int64_t i = 0; i < source.dataset().info().rows; ++i) every.push_back(i);
  const at::Tensor tokens = source.dataset().rows(every).values;
  const std::int64_t T = tokens.size(1), first = source.first_position();
  const auto log_p = [&](std::span<const Edit> some) {
    const at::Tensor logits = source.model().run(tokens, {}, some, true).logits;
    return at::log_softmax(logits.slice(1, first, T - 1), -1);
  };
  const at::Tensor clean = log_p({}), edited = log_p(edits);
  const at::Tensor next = tokens.slice(1, first + 1, T).unsqueeze(2);
  return {-edited.gather(2, next).mean().item<double>(),
          (clean.exp() * (clean - edited)).sum(2).mean().item<double>()};
}

// x -> f(x) at a site from `first` on.
Edit from(std::int64_t first, const std::string& site,
          std::function<at::Tensor(const at::Tensor&)> f) {
  return {site, [=](const at::Tensor& x) {
            return at::cat({x.slice(1, 0, first), f(x.slice(1, first))}, 1);
          }};
}

TEST(LossRecovered, TheIdentityRecoversAllAndZeroNothing) {
  for (const std::int64_t first : {0, 1, 2}) {
    SCOPED_TRACE(first);
    Trial trial({.first = first});
    trial.add("identity", kIdentity);
    trial.add("zero", kZero);
    const Report report = trial.score();
    expect_documented(report);
    EXPECT_NEAR(value(report, "loss_recovered_zero", "identity"), 1, 1e-12);
    EXPECT_NEAR(value(report, "loss_recovered_mean", "identity"), 1, 1e-12);
    EXPECT_NEAR(value(report, "ce_increase", "identity"), 0, 1e-12);
    EXPECT_NEAR(value(report, "kl", "identity"), 0, 1e-12);
    EXPECT_NEAR(value(report, "loss_recovered_zero", "zero"), 0, 1e-12);
    EXPECT_NEAR(value(report, "ce_spliced", "zero"), value(report, "ce_zero", "zero"), 1e-12);
    EXPECT_GT(value(report, "kl", "zero"), 0.01);
  }
}

// Rows are (a - mean) * scale: a reconstruction of 0 is then the source's centre, not 0.
TEST(LossRecovered, SplicesInTheModelsOwnUnits) {
  Trial trial({.mean = 0.7, .scale = 3});
  trial.add("identity", kIdentity);
  trial.add("half", kHalf);
  const at::Tensor centre = trial.all().streams[1].mean(0);
  trial.add("centre", pass_sae([=](const at::Tensor& x) { return centre.expand_as(x); }));
  const Report report = trial.score();
  EXPECT_NEAR(value(report, "loss_recovered_zero", "identity"), 1, 1e-12);
  EXPECT_NEAR(value(report, "loss_recovered_mean", "centre"), 0, 1e-12);
  const Edit half =
      from(1, "layers.0.resid_post", [](const at::Tensor& a) { return 0.5 * (a - 1.4) + 1.4; });
  EXPECT_NEAR(value(report, "ce_spliced", "half"), brute_force(*trial.source, {&half, 1}).ce,
              1e-12);
}

TEST(LossRecovered, EqualsBruteForce) {
  const at::Tensor W = Random(8).normal_rows(0, 9, kModelWidth, at::kDouble) * 0.4;
  Trial trial;
  trial.add("relu", relu_sae(W, -0.1, Codes::Layout::csr));
  trial.options.batch_contexts = 5;
  const Report report = trial.score({8 * 4});
  const std::string site = "layers.0.resid_post";
  const at::Tensor mean = trial.all().streams[1].mean(0);
  const auto with = [&](std::function<at::Tensor(const at::Tensor&)> f) {
    const Edit edit = from(1, site, std::move(f));
    return brute_force(*trial.source, {&edit, 1});
  };
  const Loss clean = brute_force(*trial.source, {});
  const Loss spliced =
      with([&](const at::Tensor& a) { return (a.matmul(W.t()) - 0.1).clamp_min(0).matmul(W); });
  const Loss zero = with([](const at::Tensor& a) { return at::zeros_like(a); });
  const Loss mean_loss = with([&](const at::Tensor& a) { return mean.expand_as(a); });
  EXPECT_NEAR(value(report, "ce_clean", "relu"), clean.ce, 1e-12);
  EXPECT_NEAR(value(report, "ce_spliced", "relu"), spliced.ce, 1e-12);
  EXPECT_NEAR(value(report, "ce_increase", "relu"), spliced.ce - clean.ce, 1e-12);
  EXPECT_NEAR(value(report, "ce_zero", "relu"), zero.ce, 1e-12);
  EXPECT_NEAR(value(report, "ce_mean", "relu"), mean_loss.ce, 1e-12);
  EXPECT_NEAR(value(report, "kl", "relu"), spliced.kl, 1e-12);
  EXPECT_NEAR(value(report, "loss_recovered_zero", "relu"),
              (zero.ce - spliced.ce) / (zero.ce - clean.ce), 1e-9);
}

// One clean run a batch, two ablations a batch and site, one run a batch and SAE.
TEST(LossRecovered, SharesRunsBetweenSaes) {
  Trial trial;
  for (const char* name : {"a", "b", "c"}) trial.add(name, kHalf);
  trial.add("other site", kHalf, {2});
  trial.options.batch_contexts = 4;
  trial.score();
  EXPECT_EQ(trial.source->model_.runs, 3 * (1 + 2 * 2 + 4));
  ASSERT_EQ(trial.context.seen.size(), 27u);
  EXPECT_EQ(trial.context.seen.back(), (std::pair<std::int64_t, std::int64_t>(27, 27)));
}

TEST(LossRecovered, BatchesOrderAndMergingDoNotMatter) {
  Trial trial;
  trial.add("half", kHalf);
  trial.options.contexts = 5;
  const Report once = trial.score();
  trial.options.batch_contexts = 1;
  expect_same(once, trial.score({8, 40, 48}));

  const LossRecovered scorer(trial.options, trial.context);
  const auto a = scorer.begin(), b = scorer.begin(), restored = scorer.begin();
  feed(scorer, *a, trial.source->contexts(6, 12));
  feed(scorer, *b, trial.source->contexts(0, 6));
  restored->load(b->save());
  restored->merge(*a);
  a->merge(*b);
  expect_same(once, a->finish());
  expect_same(once, restored->finish());
}

TEST(LossRecovered, PaddingIsNeitherPredictedNorCounted) {
  Trial padded({.contexts = 12, .length = 9, .ragged = true});
  padded.add("half", kHalf);
  const Report report = padded.score();
  double ce = 0, counted = 0;
  for (std::int64_t row = 0; row < 12; ++row) {
    const std::int64_t one[] = {row};
    const std::int64_t T = row % 3 == 2 ? 7 : 9;
    const at::Tensor tokens = padded.source->dataset().rows(one).values.slice(1, 0, T);
    const at::Tensor log_p =
        at::log_softmax(padded.source->model().run(tokens, {}, {}, true).logits, -1);
    for (std::int64_t p = 1; p + 1 < T; ++p, ++counted) {
      ce -= log_p[0][p][tokens[0][p + 1].item<std::int64_t>()].item<double>();
    }
  }
  EXPECT_NEAR(value(report, "ce_clean", "half"), ce / counted, 1e-12);
}

// Reads one site, predicts another; and a crosscoder over both.
TEST(LossRecovered, ReplacesEveryPredictedSite) {
  Trial trial;
  const auto swap = std::make_shared<FunctionSae>(
      [](const std::vector<at::Tensor>& x) {
        return std::vector<Codes>{Codes::dense(at::cat({x.at(0), x.at(1)}, 1))};
      },
      [](const std::vector<Codes>& f) {
        return std::vector<at::Tensor>{0.5 * f[0].values().slice(1, 0, kModelWidth),
                                       0.25 * f[0].values().slice(1, kModelWidth)};
      });
  trial.add("transcoder", kHalf, {0}, std::vector<std::int64_t>{2});
  trial.add("crosscoder", swap, {1, 2});
  const Report report = trial.score();

  // The codes are those of the clean run, so the second site does not see the first one's edit.
  const std::vector<std::string> taps = {"embed", "layers.0.resid_post", "layers.1.resid_post"};
  std::vector<std::int64_t> every;
  for (std::int64_t i = 0; i < 12; ++i) every.push_back(i);
  const RunResult clean =
      trial.source->model().run(trial.source->dataset().rows(every).values, taps, {}, false);
  const auto fixed = [&](std::size_t site, const at::Tensor& value) {
    return from(1, taps[site], [=](const at::Tensor&) { return value.slice(1, 1); });
  };
  const Edit transcoder[] = {fixed(2, 0.5 * clean.taps[0])};
  const Edit crosscoder[] = {fixed(1, 0.5 * clean.taps[1]), fixed(2, 0.25 * clean.taps[2])};
  EXPECT_NEAR(value(report, "ce_spliced", "transcoder"), brute_force(*trial.source, transcoder).ce,
              1e-12);
  EXPECT_NEAR(value(report, "ce_spliced", "crosscoder"), brute_force(*trial.source, crosscoder).ce,
              1e-12);
  const Edit nothing[] = {fixed(1, at::zeros_like(clean.taps[1])),
                          fixed(2, at::zeros_like(clean.taps[2]))};
  EXPECT_NEAR(value(report, "ce_zero", "crosscoder"), brute_force(*trial.source, nothing).ce,
              1e-12);
}

// All of the model's output is one distribution when its last site is the same everywhere.
TEST(LossRecovered, AnAblationWithoutDamageLeavesNothingToRecover) {
  Trial trial({.contexts = 4, .length = 2, .first = 0});
  trial.add("identity", kIdentity, {2});
  trial.options.contexts = 1;
  const LossRecovered scorer(trial.options, trial.context);
  const auto accumulator = scorer.begin();
  // One row: its mean is the activation itself, and mean ablation changes nothing.
  ActivationRows one = trial.source->contexts(0, 1);
  one = saffron::testing::slice(one, 0, 1);
  feed(scorer, *accumulator, one);
  const Report report = accumulator->finish();
  EXPECT_NE(metric(report, "loss_recovered_mean", "identity").undefined.find("nothing to recover"),
            std::string::npos);
  EXPECT_EQ(metric(report, "ce_increase_standard_error", "identity").undefined,
            "one context has no spread");
  EXPECT_NEAR(value(report, "ce_increase", "identity"), 0, 1e-12);
}

TEST(LossRecovered, ContextsWithoutANextTokenAreUndefined) {
  Trial trial({.contexts = 4, .length = 2, .first = 1});
  trial.add("half", kHalf);
  const Report report = trial.score();
  for (const Metric& m : report.metrics) {
    EXPECT_EQ(m.undefined, "no position of a scored context has a next token") << m.key;
  }
  Trial nothing;
  nothing.add("half", kHalf);
  const Report empty = LossRecovered(nothing.options, nothing.context).begin()->finish();
  EXPECT_FALSE(metric(empty, "ce_increase", "half").undefined.empty());
}

TEST(LossRecovered, TheStandardErrorIsThatOfTheContexts) {
  Trial trial;
  trial.add("half", kHalf);
  const Report report = trial.score();
  const Edit half = from(1, "layers.0.resid_post", [](const at::Tensor& a) { return 0.5 * a; });
  std::vector<double> increases;
  for (std::int64_t row = 0; row < 12; ++row) {
    const std::int64_t one[] = {row};
    const at::Tensor tokens = trial.source->dataset().rows(one).values;
    const auto ce = [&](std::span<const Edit> edits) {
      const at::Tensor p = at::log_softmax(
          trial.source->model().run(tokens, {}, edits, true).logits.slice(1, 1, 8), -1);
      return -p.gather(2, tokens.slice(1, 2).unsqueeze(2)).mean().item<double>();
    };
    increases.push_back(ce({&half, 1}) - ce({}));
  }
  double mean = 0, squares = 0;
  for (const double d : increases) mean += d / 12;
  for (const double d : increases) squares += (d - mean) * (d - mean);
  EXPECT_NEAR(value(report, "ce_increase", "half"), mean, 1e-12);
  EXPECT_NEAR(value(report, "ce_increase_standard_error", "half"), std::sqrt(squares / 11 / 12),
              1e-12);
}

TEST(LossRecovered, SaysHowItMeasured) {
  Trial trial({.first = 2});
  trial.add("s[k=1]", kHalf);
  trial.add("s[k=2]", kIdentity);
  const Report report = trial.score();
  ASSERT_EQ(report.blocks.size(), 2u);
  const auto& scatter = std::get<ScatterBlock>(report.blocks[0].body);
  ASSERT_EQ(scatter.groups.size(), 1u);
  EXPECT_EQ(scatter.groups[0].labels, (std::vector<std::string>{"s[k=1]", "s[k=2]"}));
  EXPECT_EQ(scatter.groups[0].x, (std::vector<double>{kModelWidth, kModelWidth}));
  const std::string& text = std::get<TextBlock>(report.blocks[1].body).text;
  EXPECT_NE(text.find("12 contexts, 72 predicted tokens"), std::string::npos) << text;
  EXPECT_NE(text.find("positions from 2 on"), std::string::npos) << text;
  EXPECT_NE(text.find("earlier ones keep the model's own activation"), std::string::npos) << text;
  EXPECT_NE(text.find("Sites: layers.0.resid_post."), std::string::npos) << text;
  EXPECT_NE(text.find("mixing, weights random"), std::string::npos) << text;
}

TEST(LossRecovered, NeedsAModel) {
  LossRecovered::Options options;
  options.sae.push_back(trained(
      "s", kHalf, std::make_shared<StreamsOnly>(std::vector<StreamInfo>{{"a", kModelWidth}}), 6));
  const FixedContext context;
  const std::string text = error_of([&] { LossRecovered scorer(options, context); });
  EXPECT_NE(text.find("'acts', which 's' reads, come from no model"), std::string::npos) << text;
}

TEST(LossRecovered, NeedsToKnowTheContexts) {
  Trial trial;
  trial.add("half", kHalf);
  const LossRecovered scorer(trial.options, trial.context);
  const auto accumulator = scorer.begin();
  ActivationRows rows = trial.all();
  rows.origin.reset();
  const std::string text = error_of([&] { feed(scorer, *accumulator, rows); });
  EXPECT_NE(text.find("do not say which context"), std::string::npos) << text;
}

TEST(LossRecovered, StopsWhenAsked) {
  Trial trial;
  trial.add("half", kHalf);
  trial.context.stop = true;
  try {
    trial.score();
    FAIL() << "went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  }
}

}  // namespace
}  // namespace saffron
