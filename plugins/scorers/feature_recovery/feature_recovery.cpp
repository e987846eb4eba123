#include "feature_recovery.h"

#include "recovery.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/histc.h>

#include <string_view>
#include <utility>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kBins = 50;

// The source that planted the features; a clear refusal where there is none.
Planted& planted_source(const TrainedSae& sae) {
  auto* planted = dynamic_cast<Planted*>(sae.source.get());
  if (planted == nullptr) {
    throw Error(cat("feature_recovery: source '", sae.source_name, "' of SAE '", sae.name,
                    "' does not know its true features"))
        .with_help("score an SAE that was trained on a source that plants them, such as `planted`");
  }
  return *planted;
}

Planted& common_source(const std::vector<const TrainedSae*>& saes) {
  Planted& source = planted_source(*saes.at(0));
  for (const TrainedSae* sae : saes) {
    if (&planted_source(*sae) == &source) continue;
    throw Error(cat("feature_recovery: '", saes.front()->name, "' and '", sae->name,
                    "' were trained on different sources"))
        .with_help("score them in two nodes");
  }
  return source;
}

// The table's columns. Those that must be read together come first.
constexpr std::pair<const char*, const char*> kColumns[] = {{"mmcs", "MMCS"},
                                                            {"f1", "F1"},
                                                            {"l0", "L0"},
                                                            {"l0_planted", "planted L0"},
                                                            {"mcc", "MCC"},
                                                            {"mmcs_dictionary", "MMCS dictionary"},
                                                            {"hungarian_mmcs", "Hungarian MMCS"},
                                                            {"recovered_share", "recovered share"},
                                                            {"uniqueness", "uniqueness"},
                                                            {"precision", "precision"},
                                                            {"recall", "recall"},
                                                            {"f1_alive", "F1 alive"},
                                                            {"dead_share", "dead share"},
                                                            {"rows_scored", "rows scored"}};

const Metric& metric_of(const std::vector<Metric>& metrics, std::string_view key) {
  for (const Metric& metric : metrics) {
    if (metric.key == key) return metric;
  }
  throw Error(ErrorKind::internal, cat("feature_recovery: its table wants '", key, "'"));
}

Block table(const std::vector<std::vector<Metric>>& metrics) {
  TableBlock body;
  body.columns.push_back({"SAE", "", "", Better::neither});
  for (const auto& [key, name] : kColumns) {
    const Metric& metric = metric_of(metrics.at(0), key);
    // Counts a row need no unit beside their names.
    body.columns.push_back({name, "", metric.definition, metric.better});
  }
  for (const std::vector<Metric>& line : metrics) {
    std::vector<Value> cells = {Value(line.at(0).subject)};
    for (const auto& [key, name] : kColumns) {
      const Metric& metric = metric_of(line, key);
      cells.push_back(metric.undefined.empty() ? Value(metric.value) : Value());
    }
    body.rows.push_back(std::move(cells));
  }
  return {
      "Recovery of the planted features",
      "MMCS, F1 and L0 belong together: a dense code reaches a high MMCS while its latents fire "
      "at random.",
      std::move(body)};
}

Block histogram(const std::vector<Recovery>& saes) {
  HistogramBlock body{.x_label = "largest cosine with a decoder row",
                      .y_label = "planted features",
                      .edges = {},
                      .parts = {},
                      .note = ""};
  for (std::int64_t i = 0; i <= kBins; ++i) {
    body.edges.push_back(static_cast<double>(i) / static_cast<double>(kBins));
  }
  for (const Recovery& sae : saes) {
    const at::Tensor best = sae.best_of_features();
    const at::Tensor counts = at::histc(best.clamp(0, 1), kBins, 0, 1).contiguous();
    const double* p = counts.const_data_ptr<double>();
    body.parts.push_back({sae.name(), std::vector<double>(p, p + kBins)});
    if (const auto below = (best < 0).sum().item<std::int64_t>(); below > 0) {
      body.note += cat(body.note.empty() ? "" : "; ", sae.name(), ": ", below,
                       " below 0, shown in the first bin");
    }
  }
  return {"How well each planted feature was found",
          "A feature at 1 is a decoder row; random directions lie where a random dictionary does.",
          std::move(body)};
}

class Accumulated final : public Accumulator {
 public:
  Accumulated(const std::vector<const TrainedSae*>& saes, double threshold)
      : threshold_(threshold), source_(&common_source(saes)) {
    for (const TrainedSae* sae : saes) {
      saes_.emplace_back(*sae, source_->features(sae->predicts.at(0)));
    }
  }

  void add(const ScoreBatch& batch) override {
    const at::Tensor coefficients = source_->coefficients(batch.block());
    const std::int64_t rows = batch.rows().streams.at(0).size(0);
    if (coefficients.size(0) != rows) {
      throw Error(ErrorKind::internal, cat("feature_recovery: ", rows, " rows of block ",
                                           batch.block(), ", which has ", coefficients.size(0)));
    }
    for (std::size_t i = 0; i < saes_.size(); ++i) {
      saes_[i].add(batch.codes(static_cast<std::int64_t>(i)), coefficients);
    }
  }

  void merge(const Accumulator& other) override {
    const auto& theirs = dynamic_cast<const Accumulated&>(other);
    for (std::size_t i = 0; i < saes_.size(); ++i) saes_[i].merge(theirs.saes_.at(i));
  }

  [[nodiscard]] State save() const override {
    State state;
    for (std::size_t i = 0; i < saes_.size(); ++i) saes_[i].save(state.tensors, cat(i, "."));
    return state;
  }

  void load(const State& state) override {
    for (std::size_t i = 0; i < saes_.size(); ++i) saes_[i].load(state.tensors, cat(i, "."));
  }

  [[nodiscard]] Report finish() override {
    Report report;
    std::vector<std::vector<Metric>> metrics;
    for (const Recovery& sae : saes_) {
      metrics.push_back(sae.metrics(threshold_));
      report.metrics.insert(report.metrics.end(), metrics.back().begin(), metrics.back().end());
    }
    report.blocks.push_back(table(metrics));
    report.blocks.push_back(histogram(saes_));
    return report;
  }

 private:
  double threshold_;
  Planted* source_;  // lives as long as the SAEs that refer to it
  std::vector<Recovery> saes_;
};

}  // namespace

Schema<FeatureRecovery::Options> FeatureRecovery::schema() {
  return Schema<Options>{}
      .param("sae", &Options::sae, "the SAEs to score; all on one source that plants its features",
             required(), not_empty())
      .param("threshold", &Options::threshold,
             "cosine above which a planted feature counts as recovered", between(-1, 1));
}

// Before anything is trained: the true features must be there to compare with.
FeatureRecovery::FeatureRecovery(const Options& options) : options_(options) {
  const std::vector<const TrainedSae*> saes = needs().saes;
  const Planted& source = common_source(saes);
  for (const TrainedSae* sae : saes) source.require_planted(sae->predicts.at(0));
}

ScorerNeeds FeatureRecovery::needs() const {
  ScorerNeeds needs;
  needs.order = RowOrder::contexts;
  for (const Ref<Sae>& sae : options_.sae) needs.saes.push_back(sae.get());
  return needs;
}

std::unique_ptr<Accumulator> FeatureRecovery::begin() const {
  return std::make_unique<Accumulated>(needs().saes, options_.threshold);
}

}  // namespace saffron::plugins
