#include <saffron/testing/toys.h>

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <array>

namespace saffron::testing {
namespace {

constexpr std::int64_t kBlocks = 16, kContexts = 4;

}  // namespace

ToySource::ToySource(std::uint64_t seed, at::ScalarType dtype)
    : dataset_(seed), model_(seed, dtype) {
  streams_ = {{"embed", ToyModel::kWidth}, {"layers.0.resid_post", ToyModel::kWidth}};
  info_ = {.blocks = kBlocks,
           .block_rows = kContexts * dataset_.info().length,
           .ordered = true,
           .independent = false,
           .description = "activations of a toy model"};
}

at::Tensor ToySource::tokens(std::int64_t block) const {
  if (block < 0 || block >= kBlocks) throw Error(cat("block ", block, " of ", kBlocks));
  std::array<std::int64_t, kContexts> rows{};
  for (std::int64_t i = 0; i < kContexts; ++i) {
    rows[static_cast<std::size_t>(i)] = block * kContexts + i;
  }
  return dataset_.rows(rows).values;
}

ActivationRows ToySource::block(std::int64_t index) {
  const c10::AutoGradMode no_grad(false);
  const std::vector<std::string> sites = {streams_[0].name, streams_[1].name};
  const at::Tensor ids = tokens(index);
  const RunResult result = model_.run(ids, sites, {}, false);
  ActivationRows out;
  for (const at::Tensor& tap : result.taps) out.streams.push_back(tap.reshape({-1, tap.size(2)}));
  const at::Tensor context = at::arange(kContexts, at::kLong).view({-1, 1}) + index * kContexts;
  const at::Tensor position = at::arange(ids.size(1), at::kLong).view({1, -1});
  out.origin = at::stack({context.expand_as(ids), position.expand_as(ids)}, 2).reshape({-1, 2});
  return out;
}

std::string ToySource::site(std::int64_t stream) const {
  return streams_.at(static_cast<std::size_t>(stream)).name;
}

at::Tensor ToySource::normalise(std::int64_t, const at::Tensor& raw) const { return raw; }

at::Tensor ToySource::denormalise(std::int64_t, const at::Tensor& x) const { return x; }

at::Tensor ToySource::features(std::int64_t) const { return model_.features(); }

at::Tensor ToySource::coefficients(std::int64_t block) {
  return model_.coefficients().index_select(0, tokens(block).reshape(-1));
}

}  // namespace saffron::testing
