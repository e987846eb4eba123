#pragma once

#include <saffron/io.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace llama {

// What a checkpoint says about its model, whatever its format.
struct Config {
  std::string name;          // "SmolLM2-135M-Instruct (Q4_1)"
  std::string architecture;  // "llama", as the checkpoint spells it
  std::string provenance;    // "dequantised from 4-bit Q4_1 blocks", "" for plain weights
  std::int64_t layers = 0, width = 0, hidden = 0, heads = 0, kv_heads = 0, head_width = 0;
  std::int64_t vocabulary = 0, context = 0;
  double norm_epsilon = 1e-5;
  bool tied = false;                     // the embedding table also makes the logits
  bool interleaved = false;              // Q and K rows are stored for interleaved rotation
  std::vector<float> inverse_frequency;  // [head_width / 2], scaling applied

  [[nodiscard]] std::int64_t group() const { return heads / kv_heads; }  // query heads a KV head
  [[nodiscard]] std::int64_t query_width() const { return heads * head_width; }
  [[nodiscard]] std::int64_t key_width() const { return kv_heads * head_width; }
  [[nodiscard]] std::int64_t qkv_width() const { return query_width() + 2 * key_width(); }
};

// Each throws Error (data) when the checkpoint asks for what this plugin does not compute.
[[nodiscard]] Config read_gguf_config(const saffron::GgufFile& file);
[[nodiscard]] Config read_huggingface_config(const std::filesystem::path& folder);

// Checks the sizes against each other; both readers end with it.
void check_config(const Config& config);

}  // namespace llama
