#include "plugins/scorers/feature_recovery/feature_recovery.h"
#include "tests/plugins/scorers/scorer_testing.h"

#include <saffron/metrics.h>
#include <saffron/random.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <vector>

namespace saffron::plugins {
namespace {

using saffron::testing::value;
using ::testing::HasSubstr;

constexpr std::int64_t kRows = 64, kFeatures = 12, kWidth = 20;

// Block i has coefficients of its own, about 3 active of 12.
class ToySource : public Source, public Planted {
 public:
  const std::vector<StreamInfo>& streams() const override { return streams_; }
  const SourceInfo& info() override { return info_; }
  ActivationRows block(std::int64_t i) override { return {{coefficients(i).mm(features_)}, {}}; }
  at::Tensor features(std::int64_t) const override { return features_; }
  at::Tensor coefficients(std::int64_t i) override {
    const at::Tensor u = Random(1).uniform_rows(i * kRows, kRows, kFeatures);
    const at::Tensor c = Random(2).uniform_rows(i * kRows, kRows, kFeatures) + 0.1;
    return c * (u < 0.25);
  }

 private:
  std::vector<StreamInfo> streams_ = {{"x", kWidth}};
  SourceInfo info_{.blocks = kEndless, .block_rows = kRows, .ordered = false, .description = ""};
  at::Tensor features_ = [] {
    const at::Tensor f = Random(3).normal_rows(0, kFeatures, kWidth);
    return f / f.norm(2, at::IntArrayRef{1}, true);
  }();
};

// Has the capability, but planted nothing.
class BareSource final : public ToySource {
 public:
  void require_planted(std::int64_t) const override { throw Error("nothing is planted here"); }
  at::Tensor features(std::int64_t) const override {
    throw Error("made only when something is scored");
  }
};

// An SAE with this decoder whose codes come from `encode`; the batch hands it the block's number.
struct Toy {
  std::shared_ptr<ToySource> source = std::make_shared<ToySource>();
  RefList<Sae> saes;

  void add(const std::string& name, const at::Tensor& decoder,
           std::function<Codes(const at::Tensor&)> encode) {
    auto sae = std::make_shared<testing::FunctionSae>(
        [encode = std::move(encode)](const std::vector<at::Tensor>& x) {
          return std::vector<Codes>{encode(x.at(0))};
        },
        [](const std::vector<Codes>&) { return std::vector<at::Tensor>{at::zeros({1, 1})}; });
    Ref<Sae> ref = testing::trained(name, sae, source, decoder.size(0));
    ref->spec.parameters = {{.name = "W_dec",
                             .shape = decoder.sizes().vec(),
                             .role = Role::decoder,
                             .per_latent = true}};
    ref->parameters.set("W_dec", decoder);
    saes.push_back(std::move(ref));
  }
  [[nodiscard]] FeatureRecovery scorer() const { return FeatureRecovery({.sae = saes}); }
};

class BlockBatch final : public ScoreBatch {
 public:
  BlockBatch(std::vector<const TrainedSae*> saes, ActivationRows rows, std::int64_t block)
      : batch_(std::move(saes), std::move(rows)), block_(block) {}
  const ActivationRows& rows() const override { return batch_.rows(); }
  std::int64_t block() const override { return block_; }
  const std::vector<at::Tensor>& inputs(std::int64_t i) const override { return batch_.inputs(i); }
  const std::vector<at::Tensor>& targets(std::int64_t i) const override {
    return batch_.targets(i);
  }
  const std::vector<Codes>& codes(std::int64_t i) const override { return batch_.codes(i); }
  const std::vector<at::Tensor>& reconstructions(std::int64_t i) const override {
    return batch_.reconstructions(i);
  }

 private:
  testing::RowsBatch batch_;
  std::int64_t block_;
};

void feed(const Toy& toy, Accumulator& accumulator, std::int64_t begin, std::int64_t end) {
  const FeatureRecovery scorer = toy.scorer();
  for (std::int64_t b = begin; b < end; ++b) {
    accumulator.add(BlockBatch(scorer.needs().saes, toy.source->block(b), b));
  }
}

Report report_of(const Toy& toy, std::int64_t blocks = 4) {
  const auto accumulator = toy.scorer().begin();
  feed(toy, *accumulator, 0, blocks);
  return accumulator->finish();
}

// Solves x = c F for c, which the toy's features allow (12 in 20 dimensions).
Codes exact(const at::Tensor& x, const at::Tensor& features) {
  const at::Tensor gram = features.mm(features.t());
  const at::Tensor c = x.mm(features.t()).mm(gram.inverse());
  return Codes::from_dense(c * (c.abs() > 0.01));
}

TEST(FeatureRecovery, ThePlantedDictionaryIsPerfect) {
  Toy toy;
  const at::Tensor f = toy.source->features(0);
  toy.add("truth", 3.0 * f, [=](const at::Tensor& x) { return exact(x, f); });
  const Report report = report_of(toy);
  for (const char* key : {"mmcs", "mmcs_dictionary", "mcc", "hungarian_mmcs", "recovered_share",
                          "uniqueness", "f1", "precision", "recall", "f1_alive"}) {
    EXPECT_NEAR(value(report, key, "truth"), 1, 1e-6) << key;
  }
  EXPECT_NEAR(value(report, "l0", "truth"), value(report, "l0_planted", "truth"), 1e-12);
  EXPECT_NEAR(value(report, "l0_planted", "truth"), 3, 0.5);
  EXPECT_EQ(value(report, "dead_share", "truth"), 0);
  EXPECT_EQ(value(report, "rows_scored", "truth"), 4 * kRows);
  testing::expect_documented(report);
}

// Half of the features, one of them three times, negated once, and a dead latent.
TEST(FeatureRecovery, MissingDoubledNegatedAndDeadLatents) {
  Toy toy;
  const at::Tensor f = toy.source->features(0);
  const at::Tensor half = f.slice(0, 0, 6);
  const at::Tensor decoder = at::cat({half, f.slice(0, 0, 1), -f.slice(0, 0, 1), f.slice(0, 1, 2)});
  toy.add("half", decoder, [=](const at::Tensor& x) {
    const at::Tensor c = exact(x, f).to_dense();
    const at::Tensor first = c.slice(1, 0, 1);
    return Codes::dense(at::cat({c.slice(1, 0, 6), first, -first, at::zeros_like(first)}, 1));
  });
  const Report report = report_of(toy);
  EXPECT_NEAR(value(report, "recovered_share", "half"), 0.5, 1e-12);
  EXPECT_NEAR(value(report, "uniqueness", "half"), 6.0 / 9, 1e-12);
  EXPECT_LT(value(report, "mmcs", "half"), 0.9);
  EXPECT_NEAR(value(report, "mmcs_dictionary", "half"),
              (8 + metrics::mmcs(-f.slice(0, 0, 1), f)) / 9, 1e-6);
  // Eight perfect detectors, the negated one too, and a dead latent that scores 0.
  EXPECT_NEAR(value(report, "f1", "half"), 8.0 / 9, 1e-12);
  EXPECT_NEAR(value(report, "f1_alive", "half"), 1, 1e-12);
  EXPECT_NEAR(value(report, "dead_share", "half"), 1.0 / 9, 1e-12);
}

// Against loops over rows and latents, for a dictionary and codes that have nothing to do with it.
TEST(FeatureRecovery, EqualsTheNaiveLoops) {
  Toy toy;
  const at::Tensor f = toy.source->features(0), decoder = Random(9).normal_rows(0, 15, kWidth);
  const auto encode = [](const at::Tensor& x) {
    return Codes::from_dense((x.slice(1, 0, 15) - 0.2).clamp_min(0));
  };
  toy.add("random", decoder, encode);
  const Report report = report_of(toy, 2);
  const at::Tensor cosine = metrics::cosines(decoder, f, metrics::Sign::absolute);
  double f1 = 0, precision = 0, recall = 0;
  for (std::int64_t latent = 0; latent < 15; ++latent) {
    const auto feature = cosine[latent].argmax().item<std::int64_t>();
    double tp = 0, fp = 0, fn = 0;
    for (std::int64_t b = 0; b < 2; ++b) {
      const at::Tensor fires = encode(toy.source->block(b).streams[0]).to_dense().select(1, latent);
      const at::Tensor present = toy.source->coefficients(b).select(1, feature);
      for (std::int64_t r = 0; r < kRows; ++r) {
        const bool on = fires[r].item<double>() != 0, there = present[r].item<double>() != 0;
        (on && there ? tp : on ? fp : fn) += on || there ? 1 : 0;
      }
    }
    const double p = tp + fp > 0 ? tp / (tp + fp) : 0, q = tp + fn > 0 ? tp / (tp + fn) : 0;
    precision += p / 15;
    recall += q / 15;
    f1 += p + q > 0 ? 2 * p * q / (p + q) / 15 : 0;
  }
  EXPECT_NEAR(value(report, "precision", "random"), precision, 1e-12);
  EXPECT_NEAR(value(report, "recall", "random"), recall, 1e-12);
  EXPECT_NEAR(value(report, "f1", "random"), f1, 1e-12);
  EXPECT_LT(value(report, "mmcs", "random"), 0.9);
  EXPECT_GE(value(report, "mcc", "random"), value(report, "hungarian_mmcs", "random"));
}

TEST(FeatureRecovery, MergesAndResumes) {
  Toy toy;
  const at::Tensor f = toy.source->features(0);
  toy.add("a", f, [=](const at::Tensor& x) { return exact(x, f); });
  toy.add("b", Random(9).normal_rows(0, 15, kWidth),
          [](const at::Tensor& x) { return Codes::dense(x.slice(1, 0, 15).clamp_min(0)); });
  const Report whole = report_of(toy, 6);
  const FeatureRecovery scorer = toy.scorer();
  const auto first = scorer.begin(), second = scorer.begin(), restored = scorer.begin();
  feed(toy, *first, 0, 2);
  feed(toy, *second, 2, 5);
  restored->load(second->save());
  feed(toy, *restored, 5, 6);
  first->merge(*restored);
  testing::expect_same(first->finish(), whole);

  Toy other;
  other.add("b", Random(9).normal_rows(0, 14, kWidth),
            [](const at::Tensor& x) { return Codes::dense(x.slice(1, 0, 14)); });
  EXPECT_THROW(other.scorer().begin()->load(second->save()), Error);
}

TEST(FeatureRecovery, WithoutRowsDetectionIsUndefined) {
  Toy toy;
  toy.add("a", toy.source->features(0), [](const at::Tensor& x) { return Codes::dense(x); });
  const Report report = toy.scorer().begin()->finish();
  EXPECT_NEAR(value(report, "mmcs", "a"), 1, 1e-6);
  for (const char* key : {"f1", "f1_alive", "precision", "recall", "l0", "dead_share"}) {
    EXPECT_EQ(testing::metric(report, key, "a").undefined, "no row was scored") << key;
  }
}

TEST(FeatureRecovery, BlocksShowTheSaesSideBySide) {
  Toy toy;
  const at::Tensor f = toy.source->features(0);
  toy.add("truth", f, [=](const at::Tensor& x) { return exact(x, f); });
  toy.add("silent", -f,
          [](const at::Tensor& x) { return Codes::dense(at::zeros({x.size(0), 12})); });
  const Report report = report_of(toy);
  ASSERT_EQ(report.blocks.size(), 2u);
  const auto& table = std::get<TableBlock>(report.blocks[0].body);
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].size(), table.columns.size());
  EXPECT_EQ(table.rows[1][0].as_string(), "silent");
  const auto alive = std::find_if(table.columns.begin(), table.columns.end(),
                                  [](const auto& c) { return c.name == "F1 alive"; });
  ASSERT_NE(alive, table.columns.end());
  EXPECT_TRUE(table.rows[1][static_cast<std::size_t>(alive - table.columns.begin())].is_null());
  const auto& histogram = std::get<HistogramBlock>(report.blocks[1].body);
  ASSERT_EQ(histogram.parts.size(), 2u);
  EXPECT_EQ(histogram.edges.size(), histogram.parts[0].counts.size() + 1);
  EXPECT_EQ(histogram.parts[0].counts.back(), kFeatures);  // all at 1
  for (const auto& part : histogram.parts) {
    double sum = 0;
    for (const double n : part.counts) sum += n;
    EXPECT_EQ(sum, kFeatures);
  }
}

TEST(FeatureRecovery, SaysWhatItNeeds) {
  Toy toy;
  const auto codes = [](const at::Tensor& x) { return Codes::dense(x); };
  toy.add("a", at::eye(kWidth), codes);
  toy.saes[0]->source = std::make_shared<testing::StreamsOnly>(std::vector<StreamInfo>{{"x", 20}});
  EXPECT_THAT(testing::error_of([&] { (void)toy.scorer(); }),
              HasSubstr("does not know its true features"));
  toy.saes[0]->source = std::make_shared<BareSource>();
  EXPECT_THAT(testing::error_of([&] { (void)toy.scorer(); }), HasSubstr("nothing is planted here"));

  Toy wide;
  wide.add("a", at::eye(kWidth + 1), codes);
  EXPECT_THAT(testing::error_of([&] { (void)wide.scorer().begin(); }),
              HasSubstr("differ in width"));

  Toy bare;
  bare.add("a", at::eye(kWidth), codes);
  bare.saes[0]->spec.parameters.clear();
  EXPECT_THAT(testing::error_of([&] { (void)bare.scorer().begin(); }), HasSubstr("role decoder"));

  Toy two;
  two.add("a", at::eye(kWidth), codes);
  two.add("b", at::eye(kWidth), codes);
  two.saes[1]->source = std::make_shared<ToySource>();
  EXPECT_THAT(testing::error_of([&] { (void)two.scorer(); }), HasSubstr("different sources"));
  EXPECT_EQ(bare.scorer().needs().order, RowOrder::contexts);
}

}  // namespace
}  // namespace saffron::plugins
