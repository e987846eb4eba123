#include "weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <utility>

namespace llama {

Weights::Weights(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device,
                 Progress progress)
    : checkpoint_(checkpoint),
      options_(at::TensorOptions().dtype(dtype).device(device)),
      progress_(std::move(progress)),
      layers_(static_cast<std::size_t>(checkpoint.config().layers)) {}

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

void Weights::require(std::int64_t layers, bool head) {
  const c10::AutoGradMode no_grad(false);
  std::int64_t missing = head && !head_.weight.defined() ? 1 : 0;
  if (!embed_.defined()) ++missing;
  for (std::int64_t i = 0; i < layers; ++i) missing += layer(i).down.weight.defined() ? 0 : 1;
  std::int64_t done = 0;
  if (missing > 0) progress_(done, missing);
  if (!embed_.defined()) {
    embed_ = convert(checkpoint_.weight(Part::embed));
    progress_(++done, missing);
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    if (layer(i).down.weight.defined()) continue;
    require_layer(i);
    progress_(++done, missing);
  }
  if (head && !head_.weight.defined()) {
    head_.norm = convert(checkpoint_.weight(Part::final_norm));
    head_.weight = checkpoint_.config().tied ? embed_ : convert(checkpoint_.weight(Part::head));
    progress_(++done, missing);
  }
}

void Weights::require_layer(std::int64_t index) {
  if (layer(index).down.weight.defined()) return;
  const c10::AutoGradMode no_grad(false);
  Layer read;
  read.attn_norm = convert(checkpoint_.weight(Part::attn_norm, index));
  read.qkv = stack({Part::query, Part::key, Part::value}, index);
  read.attn_out = stack({Part::attn_out}, index);
  read.mlp_norm = convert(checkpoint_.weight(Part::mlp_norm, index));
  read.gate_up = stack({Part::gate, Part::up}, index);
  read.down = stack({Part::down}, index);
  layers_[static_cast<std::size_t>(index)] = std::move(read);
}

}  // namespace llama
