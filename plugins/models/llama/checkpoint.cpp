#include "checkpoint.h"

#include <saffron/byte_bpe.h>
#include <saffron/error.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <unordered_set>

namespace llama {
namespace {

using saffron::cat;
using saffron::Error;
using saffron::ErrorKind;

struct Names {
  const char* gguf;
  const char* huggingface;
};

// In the order of Part. Within a layer the names follow blk.L. or model.layers.L.
constexpr std::array<Names, 12> kNames = {{
    {"token_embd", "model.embed_tokens"},
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
}};

bool in_layer(Part part) { return part > Part::embed && part < Part::final_norm; }

bool is_linear(Part part) {
  return in_layer(part) && part != Part::attn_norm && part != Part::mlp_norm;
}

// Tensors that carry nothing of their own: RoPE's frequencies follow from the configuration.
bool is_derived(std::string_view name) {
  return name == "rope_freqs.weight" || name.ends_with("rotary_emb.inv_freq");
}

std::string spell(const std::vector<std::int64_t>& shape) {
  std::ostringstream out;
  out << '[';
  for (std::size_t i = 0; i < shape.size(); ++i) out << (i == 0 ? "" : ", ") << shape[i];
  out << ']';
  return out.str();
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& path) {
  Checkpoint checkpoint;
  checkpoint.path_ = path;
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) {
    checkpoint.config_ = read_huggingface_config(path);
    checkpoint.reader_ =
        std::make_shared<saffron::SafetensorsFolder>(saffron::SafetensorsFolder::open(path));
  } else if (std::filesystem::path(path).extension() == ".safetensors") {
    throw Error(cat(path, " holds tensors alone, without the model's configuration"))
        .with_help("name the folder that holds it and config.json");
  } else {
    checkpoint.gguf_ = std::make_shared<saffron::GgufFile>(saffron::GgufFile::open(path));
    checkpoint.config_ = read_gguf_config(*checkpoint.gguf_);
    checkpoint.reader_ = checkpoint.gguf_;
  }
  checkpoint.check();
  return checkpoint;
}

std::string Checkpoint::name(Part part, std::int64_t layer, const char* suffix) const {
  const Names& names = kNames[static_cast<std::size_t>(part)];
  const char* stem = gguf_ ? names.gguf : names.huggingface;
  if (!in_layer(part)) return cat(stem, suffix);
  return cat(gguf_ ? "blk." : "model.layers.", layer, '.', stem, suffix);
}

std::vector<std::int64_t> Checkpoint::shape(Part part) const {
  const Config& c = config_;
  switch (part) {
    case Part::embed:
    case Part::head: return {c.vocabulary, c.width};
    case Part::attn_norm:
    case Part::mlp_norm:
    case Part::final_norm: return {c.width};
    case Part::query: return {c.query_width(), c.width};
    case Part::key:
    case Part::value: return {c.key_width(), c.width};
    case Part::attn_out: return {c.width, c.query_width()};
    case Part::gate:
    case Part::up: return {c.hidden, c.width};
    case Part::down: return {c.width, c.hidden};
  }
  throw Error(ErrorKind::internal, "unknown part of a model");
}

void Checkpoint::check() {
  std::unordered_set<std::string> known;
  const auto visit = [&](Part part, std::int64_t layer) {
    const std::string weight = name(part, layer, ".weight");
    const std::vector<std::int64_t> expected = shape(part);
    const saffron::TensorInfo& info = reader_->info(weight);
    if (info.shape != expected) {
      throw Error(ErrorKind::data, cat(path_, ": tensor '", weight, "' has shape ",
                                       spell(info.shape), ", expected ", spell(expected)));
    }
    known.insert(weight);
    if (!is_linear(part)) return;
    const std::string bias = name(part, layer, ".bias");
    const saffron::TensorInfo* found = reader_->find(bias);
    if (found == nullptr) return;
    if (found->shape != std::vector<std::int64_t>{expected.front()}) {
      throw Error(ErrorKind::data, cat(path_, ": tensor '", bias, "' has shape ",
                                       spell(found->shape), ", expected [", expected.front(), "]"));
    }
    known.insert(bias);
  };
  visit(Part::embed, 0);
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
    for (int part = 0; part < static_cast<int>(kNames.size()); ++part) {
      if (in_layer(static_cast<Part>(part))) visit(static_cast<Part>(part), layer);
    }
  }
  visit(Part::final_norm, 0);
  if (!config_.tied) visit(Part::head, 0);
  if (config_.tied) known.insert(name(Part::head, 0, ".weight"));  // a second copy of the table

  for (const saffron::TensorInfo& info : reader_->tensors()) {
    if (is_derived(info.name)) continue;
    if (!known.contains(info.name)) {
      throw Error(ErrorKind::data,
                  cat(path_, ": tensor '", info.name, "' has no place in a Llama decoder of ",
                      config_.layers, " layers"))
          .with_help("the model has parts that this plugin does not compute");
    }
    if (config_.tied && info.name == name(Part::head, 0, ".weight")) continue;
    std::int64_t count = 1;
    for (const std::int64_t n : info.shape) count *= n;
    parameters_ += count;
  }
}

// GGUF rows of a head: [D/2, 2] (pairs that rotate together); split-half: [2, D/2].
at::Tensor Checkpoint::split_half(at::Tensor tensor, Part part) const {
  if (!config_.interleaved || (part != Part::query && part != Part::key)) return tensor;
  const std::int64_t half = config_.head_width / 2;
  const at::Tensor pairs = tensor.reshape({-1, half, 2, tensor.numel() / tensor.size(0)});
  return pairs.transpose(1, 2).reshape(tensor.sizes());
}

at::Tensor Checkpoint::weight(Part part, std::int64_t layer) const {
  return split_half(reader_->tensor(name(part, layer, ".weight")), part);
}

at::Tensor Checkpoint::bias(Part part, std::int64_t layer) const {
  const std::string bias = name(part, layer, ".bias");
  if (reader_->find(bias) == nullptr) return {};
  return split_half(reader_->tensor(bias), part);
}

std::shared_ptr<saffron::Tokenizer> Checkpoint::tokenizer() const {
  if (gguf_) {
    if (!gguf_->has("tokenizer.ggml.model")) return nullptr;
    return saffron::byte_bpe_from_gguf(*gguf_);
  }
  if (!std::filesystem::exists(std::filesystem::path(path_) / "tokenizer.json")) return nullptr;
  return saffron::byte_bpe_from_huggingface(path_);
}

}  // namespace llama
