#include "weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <utility>

namespace llama {

namespace {

bool is_read(const Layer& layer) { return layer.attn_norm.defined(); }

}  // namespace

Weights::Weights(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device,
                 Progress progress)
    : checkpoint_(checkpoint),
      options_(at::TensorOptions().dtype(dtype).device(device)),
      packs_(can_pack(dtype, device)),
      progress_(std::move(progress)),
      packed_(static_cast<std::size_t>(packs_ ? checkpoint.config().layers : 0)),
      plain_(static_cast<std::size_t>(checkpoint.config().layers)) {}

// Always a copy: a view of the file would be read again, page by page, in the first pass.
at::Tensor Weights::convert(const at::Tensor& tensor) const {
  at::Tensor copy = at::empty(tensor.sizes(), options_);
  copy.copy_(tensor);
  return copy;
}

Linear Weights::stack(std::initializer_list<Part> parts, std::int64_t layer) const {
  std::vector<at::Tensor> weights, biases;
  std::int64_t rows = 0;
  bool any_bias = false;
  for (const Part part : parts) {
    weights.push_back(checkpoint_.weight(part, layer));
    biases.push_back(checkpoint_.bias(part, layer));
    rows += weights.back().size(0);
    any_bias = any_bias || biases.back().defined();
  }
  Linear linear;
  linear.weight = at::empty({rows, weights.front().size(1)}, options_);
  if (any_bias) linear.bias = at::zeros({rows}, options_);
  std::int64_t row = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const std::int64_t count = weights[i].size(0);
    linear.weight.narrow(0, row, count).copy_(weights[i]);
    if (biases[i].defined()) linear.bias.narrow(0, row, count).copy_(biases[i]);
    row += count;
  }
  return linear;
}

Layer Weights::read(std::int64_t index) const {
  const c10::AutoGradMode no_grad(false);
  return {.attn_norm = convert(checkpoint_.weight(Part::attn_norm, index)),
          .mlp_norm = convert(checkpoint_.weight(Part::mlp_norm, index)),
          .qkv = stack({Part::query, Part::key, Part::value}, index),
          .attn_out = stack({Part::attn_out}, index),
          .gate_up = stack({Part::gate, Part::up}, index),
          .down = stack({Part::down}, index)};
}

const Layer& Weights::plain(std::int64_t index) {
  Layer& layer = plain_[static_cast<std::size_t>(index)];
  if (!is_read(layer)) {
    progress_(index, checkpoint_.config().layers);
    layer = read(index);
  }
  return layer;
}

const Layer& Weights::packed(std::int64_t index) {
  if (!packs_) return plain(index);
  Layer& layer = packed_[static_cast<std::size_t>(index)];
  if (!is_read(layer)) {
    Layer made = read(index);
    for (Linear Layer::* part : {&Layer::qkv, &Layer::attn_out, &Layer::gate_up, &Layer::down}) {
      made.*part = pack(made.*part);
    }
    layer = std::move(made);
  }
  return layer;
}

void Weights::require(std::int64_t layers, bool head) {
  const std::vector<Layer>& kept = packs_ ? packed_ : plain_;
  const bool wants_head = head && !head_.weight.defined();
  std::int64_t missing = (embed_.defined() ? 0 : 1) + (wants_head ? 1 : 0);
  for (std::int64_t i = 0; i < layers; ++i) {
    missing += is_read(kept[static_cast<std::size_t>(i)]) ? 0 : 1;
  }
  if (missing == 0) return;
  std::int64_t done = 0;
  progress_(done, missing);
  if (!embed_.defined()) {
    embed_ = convert(checkpoint_.weight(Part::embed));
    progress_(++done, missing);
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    if (is_read(kept[static_cast<std::size_t>(i)])) continue;
    (void)packed(i);
    progress_(++done, missing);
  }
  if (wants_head) {
    head_.norm = convert(checkpoint_.weight(Part::final_norm));
    head_.weight = checkpoint_.config().tied ? embed_ : convert(checkpoint_.weight(Part::head));
    progress_(++done, missing);
  }
}

}  // namespace llama
