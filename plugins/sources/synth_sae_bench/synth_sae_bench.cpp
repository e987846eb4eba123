#include "synth_sae_bench.h"

#include "dictionary.h"

#include <saffron/error.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>

namespace saffron::plugins {
namespace {

std::string describe(const synth::Options& o) {
  const std::int64_t nodes = o.hierarchy.nodes();
  return cat(o.features, " features in ", o.width, " dimensions, ", nodes, " of them in ",
             o.hierarchy.roots, " trees, correlated with rank ", o.correlation.rank,
             "; model seed ", o.model_seed);
}

}  // namespace

SynthSaeBench::SynthSaeBench(const Options& options, const Context& context)
    : options_(options),
      context_(context),
      model_random_(Random(static_cast<std::uint64_t>(options.model_seed)).fork("synth_sae_bench")),
      row_random_(context.random("synth_sae_bench")),
      dtype_(context.dtype()),
      streams_({{"x", options.width}}),
      info_({.blocks = kEndless,
             .block_rows = options.block_rows,
             .ordered = false,
             .independent = true,
             .description = describe(options)}) {}

const at::Tensor& SynthSaeBench::dictionary() const {
  if (!dictionary_.defined()) {
    const at::Tensor rows = synth::random_directions(options_.features, options_.width,
                                                     model_random_.fork("dictionary"));
    dictionary_ = synth::orthogonalized(rows, options_.orthogonalization, context_);
  }
  return dictionary_;
}

const synth::RowSampler& SynthSaeBench::sampler() const {
  if (!sampler_) {
    sampler_ = std::make_unique<synth::RowSampler>(
        synth::make_feature_model(options_, model_random_), row_random_);
  }
  return *sampler_;
}

at::Tensor SynthSaeBench::bias() const {
  const at::Tensor direction =
      synth::random_directions(1, options_.width, model_random_.fork("bias"));
  return (direction * options_.bias).squeeze(0);
}

Codes SynthSaeBench::codes(std::int64_t block) const {
  if (block < 0) throw Error(cat("synth_sae_bench: block ", block, " is negative"));
  return sampler().draw(block * options_.block_rows, options_.block_rows);
}

ActivationRows SynthSaeBench::block(std::int64_t index) {
  return {{ops::decode(codes(index), dictionary(), bias()).to(dtype_)}, {}};
}

void SynthSaeBench::require_planted(std::int64_t stream) const {
  if (stream != 0) throw Error(cat("synth_sae_bench: there is no stream ", stream, ", only 0"));
}

at::Tensor SynthSaeBench::features(std::int64_t stream) const {
  require_planted(stream);
  return dictionary();
}

at::Tensor SynthSaeBench::coefficients(std::int64_t block) { return codes(block).to_dense(); }

}  // namespace saffron::plugins
