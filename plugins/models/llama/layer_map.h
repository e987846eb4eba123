#pragma once

#include "weights.h"

#include <saffron/model.h>

namespace llama {

// The MLP of one layer, from mlp_in to mlp_out:
//
//   y = W_down (silu(g) * u) + b_down,   g = W_gate x + b_gate,   u = W_up x + b_up
//
// With s = sigmoid(g):  Df(x) v = W_down ( s (1 + g (1 - s)) u * (W_gate v)  +  g s * (W_up v) ).
class SwigluMap final : public saffron::LayerMap {
 public:
  explicit SwigluMap(const Layer& layer) : gate_up_(layer.gate_up), down_(layer.down) {}

  [[nodiscard]] std::int64_t in_width() const override { return gate_up_.weight.size(1); }
  [[nodiscard]] std::int64_t out_width() const override { return down_.weight.size(0); }
  [[nodiscard]] at::Tensor apply(const at::Tensor& x) const override;
  [[nodiscard]] at::Tensor hidden(const at::Tensor& x) const override;
  [[nodiscard]] at::Tensor jacobian(const at::Tensor& x, const at::Tensor& in_rows,
                                    const at::Tensor& in_index, const at::Tensor& out_rows,
                                    const at::Tensor& out_index) const override;

 private:
  [[nodiscard]] std::int64_t hidden_width() const { return down_.weight.size(1); }

  Linear gate_up_, down_;
};

}  // namespace llama
