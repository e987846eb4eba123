#pragma once

#include "config.h"
#include "engine.h"
#include "rope.h"
#include "weights.h"

namespace llama {

// The general engine: LibTorch operations one by one, on any device, differentiable. A pass uses it
// from the first edit on whose result carries a gradient, and on devices other than the CPU.
class GraphEngine final : public Engine {
 public:
  GraphEngine(const Config& config, Weights& weights, at::Tensor tokens);

  void embed(Stream& stream) override;
  void attend(std::int64_t layer, Stream& stream) override;
  void add_attention(Stream& stream) override;
  void norm_mlp(std::int64_t layer, Stream& stream) override;
  void run_mlp(std::int64_t layer, Stream& stream) override;
  void add_mlp(Stream& stream) override;
  at::Tensor logits(const Stream& stream) override;
  void finish() override {}
  void release(const at::Tensor&) override {}

 private:
  [[nodiscard]] at::Tensor norm(const at::Tensor& x, const at::Tensor& weight) const;
  [[nodiscard]] at::Tensor heads(const at::Tensor& x, std::int64_t count) const;
  [[nodiscard]] at::Tensor rotate(const at::Tensor& x) const;

  const Config& config_;
  Weights& weights_;
  at::Tensor tokens_;  // [B, T]
  RopeTable rope_;
};

}  // namespace llama
