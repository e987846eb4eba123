#include "loss_recovered.h"

#include "context_sample.h"
#include "measure.h"
#include "report.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <map>
#include <utility>

namespace saffron::plugins {
namespace {

ModelBacked* backed_by_model(const TrainedSae& sae) {
  return dynamic_cast<ModelBacked*>(sae.source.get());
}

class Accumulated final : public Accumulator {
 public:
  Accumulated(Job job, std::int64_t contexts, const Context& context);
  void add(const ScoreBatch& batch) override;
  void merge(const Accumulator& other) override;
  [[nodiscard]] State save() const override;
  void load(const State& state) override;
  [[nodiscard]] Report finish() override;

 private:
  Job job_;  // its contexts and means are filled by finish
  const Context& context_;
  ContextSample contexts_;
  std::map<std::int64_t, at::Tensor> sums_;  // by predicted stream, float64 [width]
  std::int64_t rows_ = 0;
};

Accumulated::Accumulated(Job job, std::int64_t contexts, const Context& context)
    : job_(std::move(job)), context_(context), contexts_(contexts, context.random("contexts")) {
  for (const TrainedSae* sae : job_.saes) {
    for (std::size_t t = 0; t < sae->predicts.size(); ++t) {
      sums_.emplace(sae->predicts[t], at::zeros({sae->shape.predicts[t].width}, at::kDouble));
    }
  }
}

void Accumulated::add(const ScoreBatch& batch) {
  const ActivationRows& rows = batch.rows();
  if (!rows.origin.defined()) {
    throw Error(cat("loss_recovered: the rows of '", job_.saes.front()->source_name,
                    "' do not say which context they are from"));
  }
  contexts_.add(rows.origin);
  for (auto& [stream, sum] : sums_) {
    sum += rows.streams.at(static_cast<std::size_t>(stream)).to(at::kCPU, at::kDouble).sum(0);
  }
  rows_ += rows.origin.size(0);
}

void Accumulated::merge(const Accumulator& other) {
  const auto& theirs = dynamic_cast<const Accumulated&>(other);
  contexts_.merge(theirs.contexts_);
  for (auto& [stream, sum] : sums_) sum += theirs.sums_.at(stream);
  rows_ += theirs.rows_;
}

State Accumulated::save() const {
  State state;
  contexts_.save(state.tensors, "contexts");
  for (const auto& [stream, sum] : sums_) state.tensors.set(cat("sum.", stream), sum.clone());
  state.values.set("rows", rows_);
  return state;
}

void Accumulated::load(const State& state) {
  contexts_.load(state.tensors, "contexts");
  for (auto& [stream, sum] : sums_) {
    const at::Tensor& saved = state.tensors[cat("sum.", stream)];
    if (saved.sizes() != sum.sizes() || saved.scalar_type() != at::kDouble) {
      throw Error(ErrorKind::data, cat("the saved sum of stream ", stream, " is ", saved.toString(),
                                       " ", saved.sizes(), ", expected ", sum.sizes()));
    }
    sum = saved.clone();
  }
  rows_ = state.values.at("rows").as_int();
}

Report Accumulated::finish() {
  ModelBacked& backed = *backed_by_model(*job_.saes.front());
  job_.contexts = contexts_.rows();
  for (const auto& [stream, sum] : sums_) {
    job_.means[stream] = sum / static_cast<double>(rows_);
  }
  return loss_report(job_, measure(job_, backed, context_), backed);
}

}  // namespace

Schema<LossRecovered::Options> LossRecovered::schema() {
  return Schema<Options>{}
      .param("sae", &Options::sae, "the SAEs to score; all on one source of a model's activations",
             required(), not_empty())
      .param("contexts", &Options::contexts, "contexts that the model is run on", at_least(1),
             unit("contexts"))
      .param("batch_contexts", &Options::batch_contexts, "contexts run at once", at_least(1),
             unit("contexts"));
}

LossRecovered::LossRecovered(const Options& options, const Context& context)
    : options_(options), context_(context) {
  for (const Ref<Sae>& sae : options_.sae) {
    if (backed_by_model(*sae) != nullptr) continue;
    throw Error(cat("loss_recovered needs SAEs on a model's activations, and the rows of '",
                    sae->source_name, "', which '", sae->name, "' reads, come from no model"))
        .with_help("train the SAE on a source such as model_activations");
  }
}

ScorerNeeds LossRecovered::needs() const {
  ScorerNeeds needs;
  needs.order = RowOrder::contexts;
  for (const Ref<Sae>& sae : options_.sae) needs.saes.push_back(sae.get());
  return needs;
}

std::unique_ptr<Accumulator> LossRecovered::begin() const {
  Job job;
  job.saes = needs().saes;
  job.batch_contexts = options_.batch_contexts;
  return std::make_unique<Accumulated>(std::move(job), options_.contexts, context_);
}

}  // namespace saffron::plugins
