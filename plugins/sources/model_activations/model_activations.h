#pragma once

#include "contexts.h"
#include "store.h"

#include <saffron/context.h>
#include <saffron/dataset.h>
#include <saffron/model.h>
#include <saffron/normalise.h>
#include <saffron/schema.h>
#include <saffron/source.h>
#include <saffron/state.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// The activations of a model at named sites, over the rows of a dataset of tokens.
//
//   block i = the rows of contexts [i n, (i + 1) n), n = block_contexts, in order: of each context
//             the positions skip_first, skip_first + 1, ... to its padding;   x = (a - mean) scale
//
// Mean and scale of each site are estimated over normalise_contexts contexts that (seed) draws from
// the dataset, when rows are first asked for. Raw rows may be kept in files (`cache`): what a file
// gives and what the model gives are the same bits, so a cache never changes a result.
class ModelActivations final : public Source,
                               public ModelBacked,
                               public Normalised,
                               public Stateful {
 public:
  enum class Precision : std::uint8_t { full, float16, bfloat16 };
  struct Options {
    Ref<Model> model;
    Ref<Dataset> dataset;
    std::vector<std::string> sites;
    std::int64_t block_contexts = 64;
    std::int64_t batch_contexts = 16;
    std::int64_t skip_first = 1;
    Centring centre = Centring::none;
    Scaling scale = Scaling::none;
    std::int64_t normalise_contexts = 128;
    Precision dtype = Precision::full;
    Path cache;
  };
  static Schema<Options> schema();

  ModelActivations(const Options& options, const Context& context);

  const std::vector<StreamInfo>& streams() const override { return streams_; }
  const SourceInfo& info() override;
  ActivationRows block(std::int64_t index) override;
  std::int64_t rows_of(std::int64_t index) override;

  Model& model() override { return *options_.model; }
  const Dataset& dataset() const override { return *options_.dataset; }
  std::string site(std::int64_t stream) const override;
  std::int64_t first_position() const override { return options_.skip_first; }
  at::Tensor normalise(std::int64_t stream, const at::Tensor& raw) const override;
  at::Tensor denormalise(std::int64_t stream, const at::Tensor& x) const override;

  const Normalisation& normalisation(std::int64_t stream) const override;
  // What centres and scales the rows (normalise.h); empty while it is not estimated.
  State save() const override { return normaliser_.save(); }
  void load(const State& state) override { normaliser_.load(state); }

 private:
  void check_dataset() const;
  [[nodiscard]] Contexts contexts_of(std::int64_t block) const;
  void estimate() const;
  // Raw rows, from the file of that name or from the model.
  [[nodiscard]] std::vector<at::Tensor> raw(const std::string& name,
                                            const Contexts& contexts) const;
  [[nodiscard]] std::vector<at::Tensor> run(const Contexts& contexts) const;
  void take(const Contexts& contexts, const Contexts::Batch& batch, const RunResult& result,
            std::vector<at::Tensor>& streams) const;
  void check_finite(const Contexts& contexts, const std::vector<at::Tensor>& streams) const;
  [[nodiscard]] at::ScalarType kept_dtype() const;
  [[nodiscard]] ActivationStore& store() const;

  Options options_;
  const Context& context_;
  std::vector<StreamInfo> streams_;
  std::optional<SourceInfo> info_;
  std::vector<std::int64_t> block_rows_;  // of each block; -1: not yet counted
  mutable Normaliser normaliser_;         // fitted when first needed
  mutable std::optional<ActivationStore> store_;
};

}  // namespace saffron::plugins
