#pragma once

#include "code_statistics.h"

#include <saffron/report.h>

#include <string>
#include <vector>

namespace saffron::plugins {

struct NamedStatistics {
  std::string name;
  const CodeStatistics* codes;
};

// How often latents fire, as log10 of the share of rows; those that never did are in the note.
[[nodiscard]] Block density_block(const std::vector<NamedStatistics>& saes);
// Share of latents that fired in at least x rows.
[[nodiscard]] Block rows_per_latent_block(const std::vector<NamedStatistics>& saes);
[[nodiscard]] Block l0_block(const std::vector<NamedStatistics>& saes);

struct TradeOff {
  std::string name;  // members of a grid, "student[k=8]", share the group "student"
  double l0, fvu;
};
[[nodiscard]] Block trade_off_block(const std::vector<TradeOff>& saes);

}  // namespace saffron::plugins
