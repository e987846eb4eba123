#pragma once

#include "config.h"
#include "weights.h"

#include <saffron/model.h>

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace llama {

// The sites of a decoder in the order in which a pass reaches them: embed, then six a layer.
class SiteTable {
 public:
  enum Point : std::uint8_t { kResidPre, kAttnOut, kResidMid, kMlpIn, kMlpOut, kResidPost };
  static constexpr std::int64_t kPoints = 6;

  SiteTable(const Config& config, std::string model);

  [[nodiscard]] const std::vector<saffron::SiteInfo>& sites() const { return sites_; }
  // Throws Error (invalid) with the nearest name.
  [[nodiscard]] std::int64_t find(const std::string& name) const;
  [[nodiscard]] static std::int64_t at(std::int64_t layer, Point point) {
    return 1 + layer * kPoints + point;
  }

 private:
  std::string model_;
  std::vector<saffron::SiteInfo> sites_;
  std::unordered_map<std::string, std::int64_t> positions_;
};

// One run of Model::run. tokens are checked, int64 [B, T], on the weights' device.
[[nodiscard]] saffron::RunResult forward(const Config& config, const SiteTable& table,
                                         Weights& weights, const at::Tensor& tokens,
                                         std::span<const std::string> taps,
                                         std::span<const saffron::Edit> edits, bool logits);

}  // namespace llama
