#include "blocks.h"

#include <saffron/error.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

std::vector<std::int64_t> numbers(const at::Tensor& counts) {
  const std::int64_t* p = counts.const_data_ptr<std::int64_t>();
  return {p, p + counts.size(0)};
}

std::int64_t most_rows(const std::vector<NamedStatistics>& saes) {
  std::int64_t rows = 0;
  for (const NamedStatistics& sae : saes) rows = std::max(rows, sae.codes->rows());
  return rows;
}

}  // namespace

Block density_block(const std::vector<NamedStatistics>& saes) {
  constexpr double kBinsPerDecade = 4;
  const std::int64_t rows = most_rows(saes);
  const auto bins = static_cast<std::int64_t>(
      std::max(1.0, std::ceil(kBinsPerDecade * std::log10(static_cast<double>(rows)) - 1e-9)));
  HistogramBlock body;
  body.x_label = "log10 of the share of rows in which a latent fires";
  body.y_label = "latents";
  for (std::int64_t i = -bins; i <= 0; ++i) {
    body.edges.push_back(static_cast<double>(i) / kBinsPerDecade);
  }
  body.note = "Never fired: ";
  for (const NamedStatistics& sae : saes) {
    HistogramBlock::Part part{.name = sae.name,
                              .counts = std::vector<double>(static_cast<std::size_t>(bins))};
    for (const std::int64_t fired : numbers(sae.codes->fired())) {
      if (fired == 0) continue;
      const double share = static_cast<double>(fired) / static_cast<double>(sae.codes->rows());
      // A bin holds its lower edge; the last one also the share 1.
      const auto bin =
          static_cast<std::int64_t>(std::floor(kBinsPerDecade * std::log10(share) + 1e-9)) + bins;
      part.counts[static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, bins - 1))] += 1;
    }
    body.note += cat(body.parts.empty() ? "" : "; ", sae.name, " ", sae.codes->dead(), " of ",
                     sae.codes->latents());
    body.parts.push_back(std::move(part));
  }
  body.note += cat(" latents (in ", rows, " rows).");
  return {.title = "How often latents fire",
          .caption =
              "Latents by the share of rows in which they are not 0; those that never fired are "
              "left out and counted in the note.",
          .body = std::move(body)};
}

Block rows_per_latent_block(const std::vector<NamedStatistics>& saes) {
  constexpr double kPointsPerDecade = 8;
  SeriesBlock body;
  body.x_label = "rows";
  body.y_label = "share of latents that fired in at least as many rows";
  body.log_x = true;
  std::vector<std::int64_t> marks;
  const std::int64_t rows = most_rows(saes);
  for (int i = 0;; ++i) {
    const auto mark = static_cast<std::int64_t>(std::llround(std::pow(10, i / kPointsPerDecade)));
    if (mark >= rows) break;
    if (marks.empty() || mark > marks.back()) marks.push_back(mark);
  }
  if (rows > 0) marks.push_back(rows);
  for (const NamedStatistics& sae : saes) {
    std::vector<std::int64_t> fired = numbers(sae.codes->fired());
    std::sort(fired.begin(), fired.end());
    SeriesBlock::Line line{.name = sae.name, .x = {}, .y = {}};
    for (const std::int64_t mark : marks) {
      const auto at_least = fired.end() - std::lower_bound(fired.begin(), fired.end(), mark);
      line.x.push_back(static_cast<double>(mark));
      line.y.push_back(static_cast<double>(at_least) / static_cast<double>(fired.size()));
    }
    body.lines.push_back(std::move(line));
  }
  return {.title = "Rows seen by each latent",
          .caption =
              "How many latents had at least x rows to learn from and be judged on; the curve "
              "starts at the share of latents that are alive.",
          .body = std::move(body)};
}

Block l0_block(const std::vector<NamedStatistics>& saes) {
  constexpr std::int64_t kBins = 50;
  std::int64_t largest = 0;
  for (const NamedStatistics& sae : saes) {
    largest = std::max(largest, sae.codes->rows_by_l0().size(0) - 1);
  }
  const std::int64_t width = largest / kBins + 1, bins = largest / width + 1;
  HistogramBlock body;
  body.x_label = "active latents in a row (L0)";
  body.y_label = "rows";
  // An L0 of v lies in the middle of [v - 1/2, v + 1/2).
  for (std::int64_t i = 0; i <= bins; ++i) {
    body.edges.push_back(static_cast<double>(i * width) - 0.5);
  }
  for (const NamedStatistics& sae : saes) {
    HistogramBlock::Part part{.name = sae.name,
                              .counts = std::vector<double>(static_cast<std::size_t>(bins))};
    const std::vector<std::int64_t> rows = numbers(sae.codes->rows_by_l0());
    for (std::size_t l0 = 0; l0 < rows.size(); ++l0) {
      part.counts[l0 / static_cast<std::size_t>(width)] += static_cast<double>(rows[l0]);
    }
    body.parts.push_back(std::move(part));
  }
  return {.title = "Active latents a row",
          .caption = "Rows by the number of latents that are not 0 in them.",
          .body = std::move(body)};
}

Block trade_off_block(const std::vector<TradeOff>& saes) {
  ScatterBlock body;
  body.x_label = "mean L0";
  body.y_label = "FVU";
  body.log_x = std::all_of(saes.begin(), saes.end(), [](const auto& sae) { return sae.l0 > 0; });
  for (const TradeOff& sae : saes) {
    const std::string base = sae.name.substr(0, sae.name.find('['));
    auto group = std::find_if(body.groups.begin(), body.groups.end(),
                              [&](const auto& g) { return g.name == base; });
    if (group == body.groups.end()) {
      group = body.groups.insert(group, {.name = base, .x = {}, .y = {}, .labels = {}});
    }
    group->x.push_back(sae.l0);
    group->y.push_back(sae.fvu);
    group->labels.push_back(sae.name);
  }
  return {.title = "Error against sparsity",
          .caption = "Each point is one SAE: lower and further left is better.",
          .body = std::move(body)};
}

}  // namespace saffron::plugins
