#include "plugins/scorers/reconstruction/reconstruction.h"
#include "plugins/scorers/reconstruction/row_sample.h"
#include "tests/plugins/scorers/scorer_testing.h"

#include <saffron/random.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

namespace saffron {
namespace {

using plugins::Reconstruction;
using plugins::RowSample;
using saffron::testing::error_of;
using saffron::testing::expect_documented;
using saffron::testing::expect_same;
using saffron::testing::feed;
using saffron::testing::metric;
using saffron::testing::relu_sae;
using saffron::testing::slice;
using saffron::testing::StreamsOnly;
using saffron::testing::trained;
using saffron::testing::value;

constexpr std::int64_t kRows = 400, kWidth = 6, kLatents = 10;

at::Tensor dictionary(at::ScalarType dtype = at::kFloat) {
  return Random(3).normal_rows(0, kLatents, kWidth, at::kDouble).to(dtype);
}

ActivationRows rows(at::ScalarType dtype = at::kFloat) {
  ActivationRows out;
  out.streams = {(Random(1).normal_rows(0, kRows, kWidth, at::kDouble) + 0.3).to(dtype),
                 (Random(2).normal_rows(0, kRows, kWidth, at::kDouble) - 0.1).to(dtype)};
  const at::Tensor number = at::arange(kRows, at::kLong);
  out.origin = at::stack({number.floor_divide(16), number.remainder(16)}, 1);
  return out;
}

// Three SAEs on stream 0 that agree but for their codes' layout, with two latents that never fire.
Reconstruction three_layouts(std::int64_t row_sample = 10'000, at::ScalarType dtype = at::kFloat) {
  const auto source =
      std::make_shared<StreamsOnly>(std::vector<StreamInfo>{{"a", kWidth}, {"b", kWidth}});
  at::Tensor W = dictionary(dtype);
  W.slice(0, kLatents - 2).zero_();
  Reconstruction::Options options;
  options.row_sample = row_sample;
  options.sae.push_back(trained("s[k=1]", relu_sae(W, -0.5), source, kLatents));
  options.sae.push_back(trained("s[k=2]", relu_sae(W, -0.5, Codes::Layout::csr), source, kLatents));
  options.sae.push_back(trained("t", relu_sae(W, -0.5, Codes::Layout::topk), source, kLatents));
  return Reconstruction(options);
}

Report score(const Reconstruction& scorer, const ActivationRows& all,
             std::vector<std::int64_t> cuts = {}) {
  const auto accumulator = scorer.begin();
  feed(scorer, *accumulator, all, std::move(cuts));
  return accumulator->finish();
}

TEST(Reconstruction, EqualsBruteForceInFloat64) {
  const Report report = score(three_layouts(), rows(), {1, 90, 300});
  expect_documented(report);
  at::Tensor W = dictionary();
  W.slice(0, kLatents - 2).zero_();
  const at::Tensor single = rows().streams[0];
  const at::Tensor f = (single.matmul(W.t()) - 0.5).clamp_min(0);
  const at::Tensor x = single.to(at::kDouble), y = f.matmul(W).to(at::kDouble), e = x - y;
  const at::Tensor centred = x - x.mean(0);
  const double fvu = (e.square().sum() / centred.square().sum()).item<double>();
  const at::Tensor l0 = f.ne(0).sum(1), fired = f.ne(0).sum(0);
  for (const char* name : {"s[k=1]", "s[k=2]", "t"}) {
    SCOPED_TRACE(name);
    EXPECT_NEAR(value(report, "fvu", name), fvu, 1e-7);
    EXPECT_NEAR(value(report, "explained_variance", name), 1 - fvu, 1e-7);
    EXPECT_NEAR(value(report, "explained_variance_per_row", name),
                (1 - e.square().sum(1) / centred.square().sum(1)).mean().item<double>(), 1e-6);
    EXPECT_NEAR(value(report, "mse", name), e.square().sum(1).mean().item<double>(), 1e-6);
    EXPECT_NEAR(value(report, "l0", name), l0.to(at::kDouble).mean().item<double>(), 1e-12);
    EXPECT_EQ(value(report, "dead_share", name), fired.eq(0).sum().item<double>() / kLatents);
    EXPECT_EQ(value(report, "rows_scored", name), kRows);
    const at::Tensor sorted_l0 = std::get<0>(l0.sort()), sorted = std::get<0>(fired.sort());
    EXPECT_EQ(value(report, "l0_median", name), sorted_l0[kRows / 2 - 1].item<double>());
    EXPECT_EQ(value(report, "l0_p5", name), sorted_l0[kRows / 20 - 1].item<double>());
    EXPECT_EQ(value(report, "l0_p95", name), sorted_l0[kRows / 20 * 19 - 1].item<double>());
    EXPECT_EQ(value(report, "rows_per_latent_p10", name), sorted[0].item<double>());
    EXPECT_EQ(value(report, "rows_per_latent_median", name), sorted[4].item<double>());
    EXPECT_EQ(value(report, "rows_per_latent_p90", name), sorted[8].item<double>());
  }
  EXPECT_GE(value(report, "dead_share", "t"), 0.2);
  EXPECT_EQ(metric(report, "fvu", "t").better, Better::lower);
}

// In float64, so that a matrix product's rounding in batches of another size does not show.
TEST(Reconstruction, BatchesOrderAndMergingDoNotMatter) {
  for (const std::int64_t sample : {37, 10'000}) {
    SCOPED_TRACE(sample);
    const Reconstruction scorer = three_layouts(sample, at::kDouble);
    const ActivationRows all = rows(at::kDouble);
    const Report once = score(scorer, all);
    expect_same(once, score(scorer, all, {1, 2, 100, 256}));

    ActivationRows shuffled = all;
    const at::Tensor order = at::randperm(kRows, at::kLong);
    for (at::Tensor& stream : shuffled.streams) stream = stream.index_select(0, order);
    shuffled.origin = shuffled.origin.index_select(0, order);
    expect_same(once, score(scorer, shuffled, {50}));

    const auto a = scorer.begin(), b = scorer.begin(), restored = scorer.begin();
    feed(scorer, *a, slice(all, 0, 130), {64});
    feed(scorer, *b, slice(all, 130, kRows));
    restored->load(b->save());
    restored->merge(*a);
    a->merge(*b);
    expect_same(once, a->finish());
    expect_same(once, restored->finish());
  }
}

TEST(Reconstruction, OneLineATarget) {
  const auto source =
      std::make_shared<StreamsOnly>(std::vector<StreamInfo>{{"a", kWidth}, {"b", kWidth}});
  const at::Tensor W = dictionary(at::kDouble);
  const auto crosscoder = std::make_shared<saffron::testing::FunctionSae>(
      [=](const std::vector<at::Tensor>& x) {
        return std::vector<Codes>{Codes::dense((x.at(0) + x.at(1)).matmul(W.t()).clamp_min(0))};
      },
      [=](const std::vector<Codes>& f) {
        return std::vector<at::Tensor>{f[0].values().matmul(W), -f[0].values().matmul(W)};
      });
  Reconstruction::Options options;
  options.sae.push_back(trained("cross", crosscoder, source, kLatents, {0, 1}));
  options.sae.push_back(trained("plain", relu_sae(W, 0), source, kLatents, {1}));
  const Reconstruction scorer(options);
  const Report report = score(scorer, rows(at::kDouble), {100});
  expect_documented(report);

  const at::Tensor a = rows(at::kDouble).streams[0], b = rows(at::kDouble).streams[1];
  const at::Tensor y = (a + b).matmul(W.t()).clamp_min(0).matmul(W);
  const auto error = [](const at::Tensor& x, const at::Tensor& xhat) {
    return (x - xhat).square().sum().item<double>();
  };
  const double spread_a = error(a, a.mean(0).expand_as(a));
  const double spread_b = error(b, b.mean(0).expand_as(b));
  EXPECT_NEAR(value(report, "fvu", "cross -> a"), error(a, y) / spread_a, 1e-9);
  EXPECT_NEAR(value(report, "fvu", "cross -> b"), error(b, -y) / spread_b, 1e-9);
  EXPECT_NEAR(value(report, "fvu_all_targets", "cross"),
              (error(a, y) + error(b, -y)) / (spread_a + spread_b), 1e-9);
  const at::Tensor plain = b.matmul(W.t()).clamp_min(0).matmul(W);
  EXPECT_NEAR(value(report, "fvu", "plain"), error(b, plain) / spread_b, 1e-9);
  const at::Tensor ratio = (b - plain).square().sum(1) / (b - b.mean(0)).square().sum(1);
  EXPECT_NEAR(value(report, "explained_variance_per_row", "plain"), 1 - ratio.mean().item<double>(),
              1e-9);
  EXPECT_EQ(saffron::testing::find_metric(report, "fvu_all_targets", "plain"), nullptr);
  EXPECT_GT(value(report, "l0", "cross"), 0);
}

TEST(Reconstruction, NoRowsIsUndefinedNotZero) {
  const Reconstruction scorer = three_layouts();
  const Report report = scorer.begin()->finish();
  expect_documented(report);
  for (const char* key : {"fvu", "explained_variance_per_row", "l0", "dead_share", "mse"}) {
    EXPECT_EQ(metric(report, key, "t").undefined, "no row was scored") << key;
  }
  EXPECT_EQ(value(report, "rows_scored", "t"), 0);
  EXPECT_TRUE(report.blocks.empty());
}

TEST(Reconstruction, RefusesTheStateOfAnother) {
  const auto accumulator = three_layouts().begin();
  State state = accumulator->save();
  state.tensors.set("sample.0.rows", at::zeros({3, kWidth + 1}));
  EXPECT_NE(error_of([&] { accumulator->load(state); }).find("sample of rows"), std::string::npos);
  state = accumulator->save();
  state.tensors.set("codes.1.fired", at::zeros({3}));
  EXPECT_NE(error_of([&] { accumulator->load(state); }).find("codes.1.fired"), std::string::npos);
}

TEST(Reconstruction, TheSchemaAsksForSaes) {
  Value config = Value::table();
  Decoded decoded;
  Reconstruction::Options options;
  Reconstruction::schema().decode(config, &options, decoded);
  EXPECT_FALSE(decoded.ok());
  config.set("sae", Value(Value::List{Value("student")}));
  Decoded good;
  Reconstruction::schema().decode(config, &options, good);
  EXPECT_TRUE(good.ok());
  ASSERT_EQ(good.references.size(), 1u);
  EXPECT_EQ(good.references[0].node, "student");
  EXPECT_EQ(good.resolved.at("row_sample"), Value(16'384));
}

// The sample holds each row once, and as likely any row as another.
TEST(RowSample, IsUniform) {
  constexpr std::int64_t kKept = 500, kAll = 10'000;
  const at::Tensor x = at::arange(kAll, at::kFloat).unsqueeze(1);
  RowSample sample(kKept, 1, 1);
  for (std::int64_t begin = 0; begin < kAll; begin += 1000) {
    const at::Tensor part = x.slice(0, begin, begin + 1000);
    sample.add(part, part.to(at::kDouble), {});
  }
  ASSERT_EQ(sample.rows().size(0), kKept);
  EXPECT_TRUE(at::equal(sample.rows().to(at::kDouble), sample.errors()));
  const at::Tensor sorted = std::get<0>(sample.rows().squeeze(1).sort());
  EXPECT_TRUE(sorted.diff().gt(0).all().item<bool>());
  // The mean of 500 of the numbers below 10,000: 5,000 with standard error 129.
  EXPECT_NEAR(sorted.mean().item<double>(), 5000, 4 * 129);
}

TEST(RowSample, EqualRowsOfDifferentOriginAreDifferentRows) {
  const at::Tensor x = at::zeros({100, 2}), errors = at::zeros({100, 1}, at::kDouble);
  const at::Tensor number = at::arange(100, at::kLong);
  RowSample sample(10, 2, 1);
  sample.add(x, number.unsqueeze(1).to(at::kDouble), at::stack({number, number}, 1));
  const at::Tensor kept = std::get<0>(sample.errors().squeeze(1).sort());
  EXPECT_EQ(kept.size(0), 10);
  EXPECT_TRUE(kept.diff().gt(0).all().item<bool>());
  EXPECT_GT(kept[9].item<double>(), 30);  // not simply the first ten
}

}  // namespace
}  // namespace saffron
