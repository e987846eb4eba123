#pragma once

#include "config.h"

#include <saffron/io.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {
class Tokenizer;
}

namespace llama {

// The tensors of a model. Those between attn_norm and down exist once a layer.
enum class Part : std::uint8_t {
  embed,
  attn_norm,
  query,
  key,
  value,
  attn_out,
  mlp_norm,
  gate,
  up,
  down,
  final_norm,
  head
};

// A GGUF file or a Hugging Face folder behind one face. Opening reads headers only and checks that
// every tensor is there with its shape, and that there is none that would be left out of the
// forward pass.
class Checkpoint {
 public:
  [[nodiscard]] static Checkpoint open(const std::string& path);

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] std::int64_t parameters() const { return parameters_; }

  // As stored, but for the rows of Q and K, which come in split-half order. bias: undefined where
  // the model has none.
  [[nodiscard]] at::Tensor weight(Part part, std::int64_t layer = 0) const;
  [[nodiscard]] at::Tensor bias(Part part, std::int64_t layer = 0) const;
  // Null where there is none.
  [[nodiscard]] std::shared_ptr<saffron::Tokenizer> tokenizer() const;

 private:
  Checkpoint() = default;
  [[nodiscard]] std::string name(Part part, std::int64_t layer, const char* suffix) const;
  [[nodiscard]] std::vector<std::int64_t> shape(Part part) const;
  [[nodiscard]] at::Tensor split_half(at::Tensor tensor, Part part) const;
  void check();

  std::string path_;
  Config config_;
  std::shared_ptr<const saffron::TensorReader> reader_;
  std::shared_ptr<const saffron::GgufFile> gguf_;  // the reader, where it is a GGUF file
  std::int64_t parameters_ = 0;
};

}  // namespace llama
