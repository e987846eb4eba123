#include "graph_engine.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>

#include <utility>

namespace llama {

GraphEngine::GraphEngine(const Config& config, Weights& weights, at::Tensor tokens)
    : config_(config),
      weights_(weights),
      tokens_(std::move(tokens)),
      rope_(rope_table(config.inverse_frequency, tokens_.size(1), weights.embed().scalar_type(),
                       tokens_.device())) {}

at::Tensor GraphEngine::norm(const at::Tensor& x, const at::Tensor& weight) const {
  return weight * (x * (x.square().mean(-1, /*keepdim=*/true) + config_.norm_epsilon).rsqrt());
}

// [B T, count D] -> [B, count, T, D]
at::Tensor GraphEngine::heads(const at::Tensor& x, std::int64_t count) const {
  return x.reshape({tokens_.size(0), tokens_.size(1), count, config_.head_width}).transpose(1, 2);
}

at::Tensor GraphEngine::rotate(const at::Tensor& x) const {
  const std::int64_t half = config_.head_width / 2;
  const at::Tensor low = x.narrow(-1, 0, half), high = x.narrow(-1, half, half);
  return at::cat({low * rope_.cosine - high * rope_.sine, high * rope_.cosine + low * rope_.sine},
                 -1);
}

void GraphEngine::embed(Stream& stream) {
  stream.residual = weights_.embed().index_select(0, tokens_.reshape({-1}));
}

void GraphEngine::attend(std::int64_t index, Stream& stream) {
  const Layer& layer = weights_.plain(index);
  const at::Tensor qkv = multiply(norm(stream.residual, layer.attn_norm), layer.qkv);
  const std::int64_t queries = config_.query_width(), keys = config_.key_width();
  const at::Tensor query = rotate(heads(qkv.narrow(1, 0, queries), config_.heads));
  const at::Tensor key = rotate(heads(qkv.narrow(1, queries, keys), config_.kv_heads));
  const at::Tensor value = heads(qkv.narrow(1, queries + keys, keys), config_.kv_heads);
  const at::Tensor attended = at::scaled_dot_product_attention(
      query, key, value, {}, 0.0, /*is_causal=*/true, {}, /*enable_gqa=*/true);
  stream.attn_out = multiply(attended.transpose(1, 2).reshape({-1, queries}), layer.attn_out);
}

void GraphEngine::add_attention(Stream& stream) {
  stream.residual = stream.residual + stream.attn_out;
}

void GraphEngine::norm_mlp(std::int64_t index, Stream& stream) {
  const Layer& layer = weights_.plain(index);
  stream.mlp_in = norm(stream.residual, layer.mlp_norm);
}

void GraphEngine::run_mlp(std::int64_t index, Stream& stream) {
  const Layer& layer = weights_.plain(index);
  const at::Tensor both = multiply(stream.mlp_in, layer.gate_up);
  const at::Tensor gate = both.narrow(1, 0, config_.hidden);
  const at::Tensor up = both.narrow(1, config_.hidden, config_.hidden);
  stream.mlp_out = multiply(at::silu(gate) * up, layer.down);
}

void GraphEngine::add_mlp(Stream& stream) { stream.residual = stream.residual + stream.mlp_out; }

at::Tensor GraphEngine::logits(const Stream& stream) {
  return at::linear(norm(stream.residual, weights_.head().norm), weights_.head().weight);
}

}  // namespace llama
