#include "reconstruction.h"

#include "blocks.h"
#include "code_statistics.h"
#include "row_sample.h"

#include <saffron/error.h>
#include <saffron/reconstruction_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <utility>

namespace saffron::plugins {
namespace {

using metrics::ReconstructionSums;

class Accumulated final : public Accumulator {
 public:
  Accumulated(std::vector<const TrainedSae*> saes, std::int64_t row_sample);
  void add(const ScoreBatch& batch) override;
  void merge(const Accumulator& other) override;
  [[nodiscard]] State save() const override;
  void load(const State& state) override;
  [[nodiscard]] Report finish() override;

 private:
  // One target of one SAE: stream number `stream` of the source.
  struct Target {
    std::size_t sae, number;
    std::int64_t stream;
    std::int64_t column;  // among the targets on this stream, in its sample
    ReconstructionSums sums;
  };
  // Calls f(part, its counterpart in other, its name) on every part. Both have the same SAEs.
  template <class Self, class Other, class F>
  static void each_part(Self& self, Other& other, F f);

  [[nodiscard]] Metric per_row(const Target& target, const std::string& subject) const;
  void pooled(std::size_t sae, Report& report, double& fvu) const;

  std::vector<const TrainedSae*> saes_;
  std::vector<CodeStatistics> codes_;
  std::vector<Target> targets_;
  std::map<std::int64_t, RowSample> samples_;  // by stream
};

Accumulated::Accumulated(std::vector<const TrainedSae*> saes, std::int64_t row_sample)
    : saes_(std::move(saes)) {
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> streams;  // width, columns
  for (std::size_t i = 0; i < saes_.size(); ++i) {
    codes_.emplace_back(saes_[i]->spec.spaces * saes_[i]->spec.latents);
    for (std::size_t t = 0; t < saes_[i]->predicts.size(); ++t) {
      const std::int64_t stream = saes_[i]->predicts[t], width = saes_[i]->shape.predicts[t].width;
      auto& [stream_width, columns] = streams[stream];
      stream_width = width;
      targets_.push_back({i, t, stream, columns++, ReconstructionSums(width)});
    }
  }
  for (const auto& [stream, shape] : streams) {
    samples_.emplace(stream, RowSample(row_sample, shape.first, shape.second));
  }
}

void Accumulated::add(const ScoreBatch& batch) {
  for (std::size_t i = 0; i < saes_.size(); ++i) {
    codes_[i].add(batch.codes(static_cast<std::int64_t>(i)));
  }
  std::map<std::int64_t, std::vector<at::Tensor>> errors;
  std::map<std::int64_t, at::Tensor> rows;
  for (Target& target : targets_) {
    const auto sae = static_cast<std::int64_t>(target.sae);
    const at::Tensor& x = batch.targets(sae).at(target.number);
    errors[target.stream].push_back(
        target.sums.add(x, batch.reconstructions(sae).at(target.number)));
    rows[target.stream] = x;
  }
  for (auto& [stream, sample] : samples_) {
    sample.add(rows.at(stream), at::stack(errors.at(stream), 1), batch.rows().origin);
  }
}

template <class Self, class Other, class F>
void Accumulated::each_part(Self& self, Other& other, F f) {
  for (std::size_t i = 0; i < self.codes_.size(); ++i) {
    f(self.codes_[i], other.codes_[i], cat("codes.", i, "."));
  }
  for (std::size_t i = 0; i < self.targets_.size(); ++i) {
    f(self.targets_[i].sums, other.targets_[i].sums, cat("target.", i, "."));
  }
  for (auto& [stream, sample] : self.samples_) {
    f(sample, other.samples_.at(stream), cat("sample.", stream, "."));
  }
}

void Accumulated::merge(const Accumulator& other) {
  each_part(*this, dynamic_cast<const Accumulated&>(other),
            [](auto& mine, const auto& theirs, const std::string&) { mine.merge(theirs); });
}

State Accumulated::save() const {
  State state;
  each_part(*this, *this, [&](const auto& part, const auto&, const std::string& name) {
    part.save(state.tensors, name);
  });
  return state;
}

void Accumulated::load(const State& state) {
  each_part(*this, *this, [&](auto& part, const auto&, const std::string& name) {
    part.load(state.tensors, name);
  });
}

Metric Accumulated::per_row(const Target& target, const std::string& subject) const {
  const RowSample& sample = samples_.at(target.stream);
  const double value = metrics::row_explained_variance(
      sample.rows(), sample.errors().select(1, target.column), target.sums.mean());
  std::string reason;
  if (!std::isfinite(value)) {
    reason = target.sums.rows() == 0                       ? "no row was scored"
             : !std::isfinite(target.sums.squared_error()) ? "a row or its reconstruction is "
                                                             "not finite"
                                                           : "every row is the same";
  }
  return {.key = "explained_variance_per_row",
          .value = value,
          .undefined = reason,
          .definition =
              "mean over rows of 1 - ||x - xhat||^2 / ||x - mean x||^2 (Jacobian SAEs); "
              "not 1 - fvu. The mean is over all rows scored; the ratios are of all rows "
              "up to row_sample, of a uniform sample of that size beyond",
          .unit = "",
          .range = "(-inf, 1]",
          .better = Better::higher,
          .subject = subject};
}

// FVU over all targets of an SAE. It is a metric of its own where there are several.
void Accumulated::pooled(std::size_t sae, Report& report, double& fvu) const {
  double error = 0, variation = 0;
  for (const Target& target : targets_) {
    if (target.sae != sae) continue;
    error += target.sums.squared_error();
    variation += target.sums.variation();
  }
  fvu = variation == 0 ? std::nan("") : error / variation;
  if (saes_[sae]->predicts.size() == 1) return;
  report.metrics.push_back(
      {.key = "fvu_all_targets",
       .value = fvu,
       .undefined = std::isfinite(fvu) ? "" : "no row was scored, or the rows do not vary",
       .definition = "sum over targets and rows of ||x - xhat||^2 / sum of ||x - mean x||^2",
       .unit = "",
       .range = "[0, inf)",
       .better = Better::lower,
       .subject = saes_[sae]->name});
}

Report Accumulated::finish() {
  Report report;
  std::vector<NamedStatistics> named;
  std::vector<TradeOff> trade_offs;
  for (std::size_t i = 0; i < saes_.size(); ++i) {
    const TrainedSae& sae = *saes_[i];
    double fvu = 0;
    pooled(i, report, fvu);
    for (const Target& target : targets_) {
      if (target.sae != i) continue;
      const std::string subject =
          sae.predicts.size() == 1 ? sae.name
                                   : cat(sae.name, " -> ", sae.shape.predicts[target.number].name);
      std::vector<Metric> found = target.sums.metrics(subject);
      const auto after =
          std::find_if(found.begin(), found.end(), [](const Metric& m) { return m.key == "mse"; });
      found.insert(after, per_row(target, subject));
      std::move(found.begin(), found.end(), std::back_inserter(report.metrics));
    }
    std::vector<Metric> found = codes_[i].metrics(sae.name);
    std::move(found.begin(), found.end(), std::back_inserter(report.metrics));
    named.push_back({sae.name, &codes_[i]});
    if (std::isfinite(fvu)) trade_offs.push_back({sae.name, codes_[i].mean_l0(), fvu});
  }
  if (named.empty() || named.front().codes->rows() == 0) return report;
  if (trade_offs.size() > 1) report.blocks.push_back(trade_off_block(trade_offs));
  report.blocks.push_back(density_block(named));
  report.blocks.push_back(rows_per_latent_block(named));
  report.blocks.push_back(l0_block(named));
  return report;
}

}  // namespace

Schema<Reconstruction::Options> Reconstruction::schema() {
  return Schema<Options>{}
      .param("sae", &Options::sae, "the SAEs to score; all on one source", required(), not_empty())
      .param("row_sample", &Options::row_sample,
             "rows kept until the mean is known, for the explained variance per row", at_least(1),
             unit("rows"));
}

ScorerNeeds Reconstruction::needs() const {
  ScorerNeeds needs;
  for (const Ref<Sae>& sae : options_.sae) needs.saes.push_back(sae.get());
  return needs;
}

std::unique_ptr<Accumulator> Reconstruction::begin() const {
  return std::make_unique<Accumulated>(needs().saes, options_.row_sample);
}

}  // namespace saffron::plugins
