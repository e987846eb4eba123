#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace llama {

// What flows through a pass; each [B T, width].
struct Stream {
  at::Tensor residual, attn_out, mlp_in, mlp_out;
};

// The operations of a decoder layer, in the order in which a pass calls them:
//
//   attn_out = O(attention(RMSNorm(residual)))      attend
//   residual = residual + attn_out                  add_attention
//   mlp_in   = RMSNorm(residual)                    norm_mlp
//   mlp_out  = W_down (silu(W_gate x) * (W_up x))   run_mlp, x = mlp_in
//   residual = residual + mlp_out                   add_mlp
//
// An engine may put work off until finish(): until then a tensor of the stream has its shape and
// memory but not yet its values.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual void embed(Stream& stream) = 0;
  virtual void attend(std::int64_t layer, Stream& stream) = 0;
  virtual void add_attention(Stream& stream) = 0;
  virtual void norm_mlp(std::int64_t layer, Stream& stream) = 0;
  virtual void run_mlp(std::int64_t layer, Stream& stream) = 0;
  virtual void add_mlp(Stream& stream) = 0;
  [[nodiscard]] virtual at::Tensor logits(const Stream& stream) = 0;  // [B T, V]
  virtual void finish() = 0;
  // That tensor now belongs to the caller: no later operation may write to it.
  virtual void release(const at::Tensor& tensor) = 0;
};

}  // namespace llama
