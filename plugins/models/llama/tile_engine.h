#pragma once

#include "config.h"
#include "engine.h"
#include "kernels.h"
#include "weights.h"

#include <array>
#include <functional>
#include <vector>

namespace llama {

// The fast engine: CPU, no gradients.
//
// Rows are cut into tiles of a fixed size, and a tile goes through all operations between two
// attentions (or edits) on one thread while it is in that core's cache: two rounds of threads a
// layer. Tiles depend on the number of rows only, so results do not depend on how many threads
// share them or on where an edit cuts a round in two. Buffers are reused across layers.
class TileEngine final : public Engine {
 public:
  // tokens int64 [B, T], contiguous, on the CPU
  TileEngine(const Config& config, Weights& weights, const at::Tensor& tokens);

  void embed(Stream& stream) override;
  void attend(std::int64_t layer, Stream& stream) override;
  void add_attention(Stream& stream) override;
  void norm_mlp(std::int64_t layer, Stream& stream) override;
  void run_mlp(std::int64_t layer, Stream& stream) override;
  void add_mlp(Stream& stream) override;
  at::Tensor logits(const Stream& stream) override;
  void finish() override;
  void release(const at::Tensor& tensor) override;

 private:
  struct Scratch {  // one a thread, for one tile
    at::Tensor normed, joined, gated;
  };
  using Step = std::function<void(std::int64_t first, std::int64_t count, const Scratch& scratch)>;
  enum Slot : std::uint8_t { kResidual, kAttnOut, kMlpIn, kMlpOut };

  at::Tensor writable(Slot slot);
  void add_residual(const at::Tensor& delta, Stream& stream);
  void run_tiles(std::int64_t begin, std::int64_t end);

  const Config& config_;
  Weights& weights_;
  at::Tensor tokens_;  // [B T]
  HeadLayout heads_;
  RopeTable rope_;
  std::int64_t rows_ = 0;
  at::TensorOptions options_;
  std::array<at::Tensor, 4> buffers_;  // by Slot; undefined: not yet allocated or released
  at::Tensor query_, key_, value_;
  std::vector<Scratch> scratch_;  // by thread
  std::vector<Step> steps_;
};

}  // namespace llama
