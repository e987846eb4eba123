#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace saffron::plugins {

// Which positions of a batch of contexts are counted: p >= first with p and p + 1 real tokens.
// tokens int64 [n, T], mask bool [n, T] or undefined; the result is bool [n, T - 1].
[[nodiscard]] at::Tensor counted_positions(const at::Tensor& tokens, const at::Tensor& mask,
                                           std::int64_t first);

// Sums over each context's counted positions.
struct ContextLoss {
  std::vector<double> ce;  // -log q(next token)
  std::vector<double> kl;  // sum_v p_v log(p_v / q_v); empty unless p's logits are given
};

// logits [n, T, V] give q; clean_logits, of the same shape, p (undefined: no KL). In float64, some
// positions at a time.
[[nodiscard]] ContextLoss next_token_loss(const at::Tensor& logits, const at::Tensor& tokens,
                                          const at::Tensor& counted,
                                          const at::Tensor& clean_logits);

}  // namespace saffron::plugins
