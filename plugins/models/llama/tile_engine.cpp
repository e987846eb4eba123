#include "tile_engine.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/silu.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace llama {
namespace {

// Small tiles keep a thread's intermediates in its cache and spread a small batch over threads;
// larger ones make better matrix products. Measured in docs/performance.md.
constexpr std::int64_t kSmallTile = 128, kLargeTile = 256, kManyRows = 4096;

void project(const at::Tensor& x, const Linear& linear, at::Tensor& out) {
  if (linear.bias.defined()) {
    at::addmm_out(out, linear.bias, x, linear.weight.t());
  } else {
    at::mm_out(out, x, linear.weight.t());
  }
}

// The first rows x width values of a scratch buffer, as a contiguous matrix.
at::Tensor carve(const at::Tensor& scratch, std::int64_t rows, std::int64_t width) {
  return scratch.narrow(0, 0, rows * width).view({rows, width});
}

}  // namespace

TileEngine::TileEngine(const Config& config, at::Tensor tokens, at::ScalarType dtype)
    : config_(config),
      tokens_(tokens.view({-1})),
      heads_{tokens.size(1), config.kv_heads, config.group(), config.head_width},
      rope_(rope_table(config.inverse_frequency, tokens.size(1), dtype, at::kCPU)),
      rows_(tokens.numel()),
      tile_(rows_ >= kManyRows ? kLargeTile : kSmallTile),
      options_(at::TensorOptions().dtype(dtype)),
      scratch_(static_cast<std::size_t>(at::get_num_threads())) {}

at::Tensor TileEngine::writable(Slot slot) {
  at::Tensor& buffer = buffers_[slot];
  if (!buffer.defined()) buffer = at::empty({rows_, config_.width}, options_);
  return buffer;
}

void TileEngine::release(const at::Tensor& tensor) {
  for (at::Tensor& buffer : buffers_) {
    if (buffer.is_same(tensor)) buffer.reset();
  }
}

void TileEngine::embed(const at::Tensor& table, Stream& stream) {
  stream.residual = writable(kResidual);
  steps_.emplace_back([table, tokens = tokens_, out = stream.residual](
                          std::int64_t first, std::int64_t count, const Scratch&) {
    at::Tensor rows = out.narrow(0, first, count);
    copy_rows(table, tokens.narrow(0, first, count), rows);
  });
}

void TileEngine::attend(const Layer& layer, Stream& stream) {
  const c10::AutoGradMode no_grad(false);
  const std::int64_t batch = rows_ / heads_.length, groups = batch * heads_.kv_heads;
  if (!query_.defined()) {
    query_ = at::empty({groups, heads_.group, heads_.length, heads_.head_width}, options_);
    key_ = at::empty({groups, heads_.length, heads_.head_width}, options_);
    value_ = at::empty(key_.sizes(), options_);
  }
  steps_.emplace_back([this, &layer, x = stream.residual](std::int64_t first, std::int64_t count,
                                                          const Scratch& scratch) {
    at::Tensor normed = carve(scratch.narrow, count, config_.width);
    rms_norm(x.narrow(0, first, count), layer.attn_norm, config_.norm_epsilon, normed);
    at::Tensor qkv = carve(scratch.wide, count, config_.qkv_width());
    project(normed, layer.qkv, qkv);
    split_heads(qkv, first, heads_, rope_, query_, key_, value_);
  });
  finish();

  // A group's query heads read one copy of its keys and values: a stride of 0 stands for the heads.
  const auto shared = [&](const at::Tensor& t) {
    return t.unsqueeze(1).expand({-1, heads_.group, -1, -1});
  };
  at::Tensor attended = std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(
      query_, shared(key_), shared(value_), 0.0, /*is_causal=*/true));
  attended = attended.transpose(1, 2).contiguous();  // already in this order: no copy

  stream.attn_out = writable(kAttnOut);
  steps_.emplace_back([this, &layer, attended, out = stream.attn_out](
                          std::int64_t first, std::int64_t count, const Scratch& scratch) {
    at::Tensor joined = carve(scratch.wide, count, config_.query_width());
    join_heads(attended, first, heads_, joined);
    at::Tensor rows = out.narrow(0, first, count);
    project(joined, layer.attn_out, rows);
  });
}

void TileEngine::add_residual(const at::Tensor& delta, Stream& stream) {
  const at::Tensor sum = writable(kResidual);
  steps_.emplace_back([before = stream.residual, delta, sum](std::int64_t first,
                                                             std::int64_t count, const Scratch&) {
    at::Tensor rows = sum.narrow(0, first, count);
    add(before.narrow(0, first, count), delta.narrow(0, first, count), rows);
  });
  stream.residual = sum;
}

void TileEngine::add_attention(Stream& stream) { add_residual(stream.attn_out, stream); }

void TileEngine::add_mlp(Stream& stream) { add_residual(stream.mlp_out, stream); }

void TileEngine::norm_mlp(const Layer& layer, Stream& stream) {
  stream.mlp_in = writable(kMlpIn);
  steps_.emplace_back([this, &layer, x = stream.residual, out = stream.mlp_in](
                          std::int64_t first, std::int64_t count, const Scratch&) {
    at::Tensor rows = out.narrow(0, first, count);
    rms_norm(x.narrow(0, first, count), layer.mlp_norm, config_.norm_epsilon, rows);
  });
}

void TileEngine::run_mlp(const Layer& layer, Stream& stream) {
  stream.mlp_out = writable(kMlpOut);
  steps_.emplace_back([this, &layer, x = stream.mlp_in, out = stream.mlp_out](
                          std::int64_t first, std::int64_t count, const Scratch& scratch) {
    at::Tensor both = carve(scratch.wide, count, 2 * config_.hidden);
    project(x.narrow(0, first, count), layer.gate_up, both);
    at::Tensor gate = both.narrow(1, 0, config_.hidden);
    at::silu_(gate);
    gate.mul_(both.narrow(1, config_.hidden, config_.hidden));
    at::Tensor rows = out.narrow(0, first, count);
    project(gate, layer.down, rows);
  });
}

at::Tensor TileEngine::logits(const Head& head, const Stream& stream) {
  at::Tensor out = at::empty({rows_, config_.vocabulary}, options_);
  steps_.emplace_back([this, &head, x = stream.residual, out](
                          std::int64_t first, std::int64_t count, const Scratch& scratch) {
    at::Tensor normed = carve(scratch.narrow, count, config_.width);
    rms_norm(x.narrow(0, first, count), head.norm, config_.norm_epsilon, normed);
    at::Tensor rows = out.narrow(0, first, count);
    at::mm_out(rows, normed, head.weight.t());
  });
  return out;
}

void TileEngine::run_tiles(std::int64_t begin, std::int64_t end) {
  const c10::AutoGradMode no_grad(false);  // per thread
  Scratch& scratch = scratch_[static_cast<std::size_t>(at::get_thread_num())];
  if (!scratch.wide.defined()) {
    const std::int64_t wide =
        std::max({config_.qkv_width(), config_.query_width(), 2 * config_.hidden});
    const std::int64_t tile = std::min(tile_, rows_);
    scratch = {at::empty({tile * config_.width}, options_), at::empty({tile * wide}, options_)};
  }
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const std::int64_t first = tile * tile_, count = std::min(tile_, rows_ - first);
    for (const Step& step : steps_) step(first, count, scratch);
  }
}

void TileEngine::finish() {
  if (steps_.empty()) return;
  at::parallel_for(0, (rows_ + tile_ - 1) / tile_, 1,
                   [this](std::int64_t begin, std::int64_t end) { run_tiles(begin, end); });
  steps_.clear();
}

}  // namespace llama
