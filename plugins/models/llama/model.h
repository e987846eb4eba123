#pragma once

#include "checkpoint.h"
#include "forward.h"
#include "weights.h"

#include <saffron/context.h>
#include <saffron/model.h>
#include <saffron/schema.h>
#include <saffron/tokenizer.h>

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llama {

// A decoder of Llama's architecture: RMSNorm, rotary positions, grouped-query attention, SwiGLU.
//
//   x_0 = E[token];   x' = x + O(attention(RMSNorm(x)));   x'' = x' + MLP(RMSNorm(x'))
//   logits = RMSNorm(x_L) H^T
//
// Opening reads headers only; weights are read when a run first needs them.
class Llama final : public saffron::Model, public saffron::HasLayerMaps {
 public:
  struct Options {
    saffron::Path path;
    std::string dtype = "float32";
    std::optional<std::string> name;
  };
  static saffron::Schema<Options> schema();

  Llama(const Options& options, const saffron::Context& context);

  [[nodiscard]] const saffron::ModelInfo& info() const override { return info_; }
  [[nodiscard]] const std::vector<saffron::SiteInfo>& sites() const override {
    return table_.sites();
  }
  [[nodiscard]] saffron::RunResult run(const at::Tensor& tokens, std::span<const std::string> taps,
                                       std::span<const saffron::Edit> edits, bool logits) override;
  [[nodiscard]] std::shared_ptr<saffron::Tokenizer> tokenizer() const override;
  [[nodiscard]] std::unique_ptr<saffron::LayerMap> layer_map(std::string_view from,
                                                             std::string_view to) const override;

 private:
  void check_tokens(const at::Tensor& tokens) const;

  const saffron::Context& context_;
  Checkpoint checkpoint_;
  saffron::ModelInfo info_;
  SiteTable table_;
  mutable Weights weights_;  // read on demand
  mutable std::once_flag tokenizer_read_;
  mutable std::shared_ptr<saffron::Tokenizer> tokenizer_;
};

}  // namespace llama
