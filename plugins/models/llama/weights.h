#pragma once

#include "checkpoint.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace llama {

// y = x weight^T + bias
struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out] or undefined
};

struct Layer {
  at::Tensor attn_norm, mlp_norm;  // [width]
  Linear qkv;                      // Q, K and V one below the other
  Linear attn_out;
  Linear gate_up;  // gate and up one below the other
  Linear down;
};

struct Head {
  at::Tensor norm;  // [width]
  at::Tensor weight;  // [vocabulary, width]
};

// The weights that a run needs, read from the checkpoint when first asked for: a pass that stops at
// layer 10 reads no later one. One thread at a time.
class Weights {
 public:
  // Called before each tensor group is read; may throw to stop.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  Weights(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device, Progress progress);

  // Reads the embedding table, layers [0, layers) and, if asked, the head, where not yet done.
  void require(std::int64_t layers, bool head);
  // Reads that layer alone, where not yet done.
  void require_layer(std::int64_t index);

  [[nodiscard]] const at::Tensor& embed() const { return embed_; }
  [[nodiscard]] const Layer& layer(std::int64_t index) const {
    return layers_[static_cast<std::size_t>(index)];
  }
  [[nodiscard]] const Head& head() const { return head_; }

 private:
  [[nodiscard]] at::Tensor convert(const at::Tensor& tensor) const;
  [[nodiscard]] Linear stack(std::initializer_list<Part> parts, std::int64_t layer) const;

  const Checkpoint& checkpoint_;
  at::TensorOptions options_;
  Progress progress_;
  at::Tensor embed_;
  std::vector<Layer> layers_;
  Head head_;
};

}  // namespace llama
