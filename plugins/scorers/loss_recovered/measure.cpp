#include "measure.h"

#include "next_token.h"
#include "splice.h"

#include <saffron/dataset.h>
#include <saffron/error.h>
#include <saffron/model.h>

#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <set>
#include <span>

namespace saffron::plugins {
namespace {

void append(Losses& losses, const ContextLoss& batch) {
  losses.ce.insert(losses.ce.end(), batch.ce.begin(), batch.ce.end());
  losses.kl.insert(losses.kl.end(), batch.kl.begin(), batch.kl.end());
}

class Measurement {
 public:
  Measurement(const Job& job, ModelBacked& backed, const Context& context);
  void batch(std::span<const std::int64_t> rows);
  [[nodiscard]] Measured result() &&;

 private:
  struct Batch {
    at::Tensor tokens, counted, clean_logits;
  };
  RunResult run(const at::Tensor& tokens, std::span<const std::string> taps,
                std::span<const Edit> edits);
  void ablate(const Batch& batch, Measured::Ablation& ablation);
  [[nodiscard]] CleanActivations clean(Batch& batch);

  const Job& job_;
  ModelBacked& backed_;
  const Context& context_;
  std::int64_t first_, runs_ = 0, all_runs_;
  std::vector<std::int64_t> tapped_;  // streams
  std::vector<std::string> taps_;     // their sites
  std::vector<double> l0_;            // sums, by SAE
  std::int64_t rows_ = 0;
  Measured out_;
};

Measurement::Measurement(const Job& job, ModelBacked& backed, const Context& context)
    : job_(job),
      backed_(backed),
      context_(context),
      first_(backed.first_position()),
      l0_(job.saes.size()) {
  std::set<std::int64_t> reads;
  for (const TrainedSae* sae : job.saes) {
    reads.insert(sae->reads.begin(), sae->reads.end());
    std::vector<std::int64_t> streams = sae->predicts;
    std::sort(streams.begin(), streams.end());
    auto same = std::find_if(out_.ablations.begin(), out_.ablations.end(),
                             [&](const auto& a) { return a.streams == streams; });
    if (same == out_.ablations.end()) {
      same = out_.ablations.insert(same, {.streams = streams, .zero = {}, .mean = {}});
    }
    out_.saes.push_back(
        {.spliced = {}, .ablation = static_cast<std::size_t>(same - out_.ablations.begin())});
  }
  tapped_.assign(reads.begin(), reads.end());
  for (const std::int64_t stream : tapped_) taps_.push_back(backed.site(stream));
  const auto contexts = static_cast<std::int64_t>(job.contexts.size());
  const std::int64_t batches = (contexts + job.batch_contexts - 1) / job.batch_contexts;
  all_runs_ = batches * static_cast<std::int64_t>(1 + 2 * out_.ablations.size() + job.saes.size());
}

RunResult Measurement::run(const at::Tensor& tokens, std::span<const std::string> taps,
                           std::span<const Edit> edits) {
  if (context_.cancelled()) {
    throw Error(ErrorKind::cancelled,
                cat("stopped after ", runs_, " of ", all_runs_, " runs of the model"));
  }
  RunResult result = backed_.model().run(tokens, taps, edits, true);
  context_.progress("running the model", ++runs_, all_runs_);
  return result;
}

CleanActivations Measurement::clean(Batch& batch) {
  RunResult result = run(batch.tokens, taps_, {});
  batch.clean_logits = std::move(result.logits);
  append(out_.clean, next_token_loss(batch.clean_logits, batch.tokens, batch.counted, {}));
  CleanActivations activations;
  for (std::size_t i = 0; i < tapped_.size(); ++i) {
    activations.emplace(tapped_[i], std::move(result.taps[i]));
  }
  return activations;
}

void Measurement::ablate(const Batch& batch, Measured::Ablation& ablation) {
  std::vector<Edit> zero, mean;
  for (const std::int64_t stream : ablation.streams) {
    const std::string site = backed_.site(stream);
    zero.push_back(replace(site, at::scalar_tensor(0.0, at::kDouble), first_));
    mean.push_back(replace(site, backed_.denormalise(stream, job_.means.at(stream)), first_));
  }
  for (const auto& [edits, losses] :
       {std::pair(&zero, &ablation.zero), std::pair(&mean, &ablation.mean)}) {
    append(*losses,
           next_token_loss(run(batch.tokens, {}, *edits).logits, batch.tokens, batch.counted, {}));
  }
}

void Measurement::batch(std::span<const std::int64_t> rows) {
  const DataRows data = backed_.dataset().rows(rows);
  Batch batch{data.values, counted_positions(data.values, data.mask, first_), {}};
  const at::Tensor counts = batch.counted.sum(1);
  for (std::int64_t i = 0; i < counts.size(0); ++i) {
    out_.positions.push_back(counts[i].item<std::int64_t>());
  }
  const CleanActivations activations = clean(batch);
  for (Measured::Ablation& ablation : out_.ablations) ablate(batch, ablation);
  for (std::size_t i = 0; i < job_.saes.size(); ++i) {
    const Splice splice = splice_sae(*job_.saes[i], backed_, activations, first_);
    l0_[i] += splice.l0;
    if (i == 0) rows_ += splice.rows;
    append(out_.saes[i].spliced, next_token_loss(run(batch.tokens, {}, splice.edits).logits,
                                                 batch.tokens, batch.counted, batch.clean_logits));
  }
}

Measured Measurement::result() && {
  for (std::size_t i = 0; i < l0_.size(); ++i) {
    out_.saes[i].mean_l0 = rows_ == 0 ? 0 : l0_[i] / static_cast<double>(rows_);
  }
  return std::move(out_);
}

}  // namespace

Measured measure(const Job& job, ModelBacked& backed, const Context& context) {
  const c10::AutoGradMode no_grad(false);
  Measurement measurement(job, backed, context);
  const std::span<const std::int64_t> all(job.contexts);
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t count =
        std::min(all.size() - at, static_cast<std::size_t>(job.batch_contexts));
    measurement.batch(all.subspan(at, count));
    at += count;
  }
  return std::move(measurement).result();
}

}  // namespace saffron::plugins
