#pragma once

#include "checkpoint.h"
#include "linear.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <vector>

namespace llama {

struct Layer {
  at::Tensor attn_norm, mlp_norm;  // [width]
  Linear qkv;                      // Q, K and V one below the other
  Linear attn_out;
  Linear gate_up;  // gate and up one below the other
  Linear down;
};

struct Head {
  at::Tensor norm;    // [width]
  at::Tensor weight;  // [vocabulary, width]
};

// The weights that a run needs, read from the checkpoint when first asked for: a pass that stops at
// layer 10 reads no later one. Layers are kept packed for the fast pass; the plain ones are read
// when a gradient or a layer map wants them. One thread at a time.
class Weights {
 public:
  // Called between reads; may throw to stop.
  using Progress = std::function<void(std::int64_t done, std::int64_t total)>;

  Weights(const Checkpoint& checkpoint, at::ScalarType dtype, at::Device device, Progress progress);

  // Reads the embedding table, layers [0, layers) and, if asked, the head, where not yet done.
  void require(std::int64_t layers, bool head);

  [[nodiscard]] const at::Tensor& embed() const { return embed_; }
  [[nodiscard]] const Head& head() const { return head_; }
  // Packed where LibTorch can: for products, without gradients. Reads that layer if need be.
  [[nodiscard]] const Layer& packed(std::int64_t index);
  [[nodiscard]] const Layer& plain(std::int64_t index);

 private:
  [[nodiscard]] at::Tensor convert(const at::Tensor& tensor) const;
  [[nodiscard]] Linear stack(std::initializer_list<Part> parts, std::int64_t layer) const;
  [[nodiscard]] Layer read(std::int64_t index) const;

  const Checkpoint& checkpoint_;
  at::TensorOptions options_;
  bool packs_;
  Progress progress_;
  at::Tensor embed_;
  std::vector<Layer> packed_, plain_;  // by layer; undefined tensors: not yet read
  Head head_;
};

}  // namespace llama
