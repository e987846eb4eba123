#include "tile_engine.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/silu.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace llama {
namespace {

// Rows: few enough that a tile's intermediates stay in a core's cache and that a small batch makes
// work for every thread; more make faster products.
constexpr std::int64_t kTile = 128;

// Columns of the logits that a thread makes at a time.
constexpr std::int64_t kVocabularyChunk = 2048;

}  // namespace

TileEngine::TileEngine(const Config& config, Weights& weights, const at::Tensor& tokens)
    : config_(config),
      weights_(weights),
      tokens_(tokens.view({-1})),
      heads_{tokens.size(1), config.kv_heads, config.group(), config.head_width},
      rope_(rope_table(config.inverse_frequency, tokens.size(1), weights.embed().scalar_type(),
                       at::kCPU)),
      rows_(tokens.numel()),
      options_(weights.embed().options()),
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

void TileEngine::embed(Stream& stream) {
  stream.residual = writable(kResidual);
  steps_.emplace_back([table = weights_.embed(), tokens = tokens_, out = stream.residual](
                          std::int64_t first, std::int64_t count, const Scratch&) {
    at::Tensor rows = out.narrow(0, first, count);
    copy_rows(table, tokens.narrow(0, first, count), rows);
  });
}

void TileEngine::attend(std::int64_t index, Stream& stream) {
  const Layer& layer = weights_.packed(index);
  const c10::AutoGradMode no_grad(false);
  const std::int64_t batch = rows_ / heads_.length, groups = batch * heads_.kv_heads;
  if (!query_.defined()) {
    query_ = at::empty({groups, heads_.group, heads_.length, heads_.head_width}, options_);
    key_ = at::empty({groups, heads_.length, heads_.head_width}, options_);
    value_ = at::empty(key_.sizes(), options_);
  }
  steps_.emplace_back([this, &layer, x = stream.residual](std::int64_t first, std::int64_t count,
                                                          const Scratch& scratch) {
    at::Tensor normed = scratch.normed.narrow(0, 0, count);
    rms_norm(x.narrow(0, first, count), layer.attn_norm, config_.norm_epsilon, normed);
    split_heads(multiply(normed, layer.qkv), first, heads_, rope_, query_, key_, value_);
  });
  finish();

  // A group's query heads read one copy of its keys and values: a stride of 0 stands for the heads.
  const auto shared = [&](const at::Tensor& t) {
    return t.unsqueeze(1).expand({-1, heads_.group, -1, -1});
  };
  const at::Tensor attended =
      std::get<0>(at::_scaled_dot_product_flash_attention_for_cpu(
                      query_, shared(key_), shared(value_), 0.0, /*is_causal=*/true))
          .contiguous();

  stream.attn_out = writable(kAttnOut);
  steps_.emplace_back([this, &layer, attended, out = stream.attn_out](
                          std::int64_t first, std::int64_t count, const Scratch& scratch) {
    at::Tensor joined = scratch.joined.narrow(0, 0, count);
    join_heads(attended, first, heads_, joined);
    out.narrow(0, first, count).copy_(multiply(joined, layer.attn_out));
  });
}

void TileEngine::add_residual(const at::Tensor& delta, Stream& stream) {
  const at::Tensor sum = writable(kResidual);
  steps_.emplace_back([before = stream.residual, delta, sum](std::int64_t first, std::int64_t count,
                                                             const Scratch&) {
    at::Tensor rows = sum.narrow(0, first, count);
    add(before.narrow(0, first, count), delta.narrow(0, first, count), rows);
  });
  stream.residual = sum;
}

void TileEngine::add_attention(Stream& stream) { add_residual(stream.attn_out, stream); }

void TileEngine::add_mlp(Stream& stream) { add_residual(stream.mlp_out, stream); }

void TileEngine::norm_mlp(std::int64_t index, Stream& stream) {
  const Layer& layer = weights_.packed(index);
  stream.mlp_in = writable(kMlpIn);
  steps_.emplace_back([this, &layer, x = stream.residual, out = stream.mlp_in](
                          std::int64_t first, std::int64_t count, const Scratch&) {
    at::Tensor rows = out.narrow(0, first, count);
    rms_norm(x.narrow(0, first, count), layer.mlp_norm, config_.norm_epsilon, rows);
  });
}

void TileEngine::run_mlp(std::int64_t index, Stream& stream) {
  const Layer& layer = weights_.packed(index);
  stream.mlp_out = writable(kMlpOut);
  steps_.emplace_back([this, &layer, x = stream.mlp_in, out = stream.mlp_out](
                          std::int64_t first, std::int64_t count, const Scratch& scratch) {
    const at::Tensor both = multiply(x.narrow(0, first, count), layer.gate_up);
    at::Tensor gate = both.narrow(1, 0, config_.hidden);
    at::silu_(gate);
    at::Tensor gated = scratch.gated.narrow(0, 0, count);
    at::mul_out(gated, gate, both.narrow(1, config_.hidden, config_.hidden));
    out.narrow(0, first, count).copy_(multiply(gated, layer.down));
  });
}

// Threads share the vocabulary, not the rows: the table is far larger than the activations.
at::Tensor TileEngine::logits(const Stream& stream) {
  const Head& head = weights_.head();
  const at::Tensor normed = at::empty({rows_, config_.width}, options_);
  steps_.emplace_back([this, &head, x = stream.residual, normed](
                          std::int64_t first, std::int64_t count, const Scratch&) {
    at::Tensor rows = normed.narrow(0, first, count);
    rms_norm(x.narrow(0, first, count), head.norm, config_.norm_epsilon, rows);
  });
  finish();
  const at::Tensor out = at::empty({rows_, config_.vocabulary}, options_);
  const std::int64_t chunks = (config_.vocabulary + kVocabularyChunk - 1) / kVocabularyChunk;
  at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    const c10::AutoGradMode no_grad(false);  // per thread
    for (std::int64_t chunk = begin; chunk < end; ++chunk) {
      const std::int64_t first = chunk * kVocabularyChunk;
      const std::int64_t count = std::min(kVocabularyChunk, config_.vocabulary - first);
      at::Tensor columns = out.narrow(1, first, count);
      at::mm_out(columns, normed, head.weight.narrow(0, first, count).t());
    }
  });
  return out;
}

void TileEngine::run_tiles(std::int64_t begin, std::int64_t end) {
  const c10::AutoGradMode no_grad(false);  // per thread
  Scratch& scratch = scratch_[static_cast<std::size_t>(at::get_thread_num())];
  if (!scratch.normed.defined()) {
    const std::int64_t rows = std::min(kTile, rows_);
    scratch = {.normed = at::empty({rows, config_.width}, options_),
               .joined = at::empty({rows, config_.query_width()}, options_),
               .gated = at::empty({rows, config_.hidden}, options_)};
  }
  for (std::int64_t tile = begin; tile < end; ++tile) {
    const std::int64_t first = tile * kTile, count = std::min(kTile, rows_ - first);
    for (const Step& step : steps_) step(first, count, scratch);
  }
}

void TileEngine::finish() {
  if (steps_.empty()) return;
  at::parallel_for(0, (rows_ + kTile - 1) / kTile, 1,
                   [this](std::int64_t begin, std::int64_t end) { run_tiles(begin, end); });
  steps_.clear();
}

}  // namespace llama
