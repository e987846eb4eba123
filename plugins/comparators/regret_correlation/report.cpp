#include "report.h"

#include <saffron/error.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

namespace saffron::plugins {
namespace {

constexpr const char* kNormalisers[] = {"1", "2", "inf", "weighted_1", "weighted_2", "weighted_inf",
                                        "0"};
constexpr std::size_t kDistances = 6;  // the first ones of these
constexpr std::size_t kPoints = 1500;
constexpr std::size_t kGroups = 8;  // that colours tell apart

std::string_view form_of(std::string_view key) { return key.substr(0, key.find('/')); }
std::string_view measure_of(std::string_view key) {
  const std::size_t slash = key.find('/');
  return slash == key.npos ? std::string_view() : key.substr(slash + 1);
}

// "2-2", and whatever has no dash between two norms.
bool plain(std::string_view key) {
  const std::string_view measure = measure_of(key);
  if (measure.starts_with("pearson")) return true;
  const std::size_t dash = measure.find('-');
  return dash == measure.npos || measure.substr(0, dash) == measure.substr(dash + 1);
}

void add(std::vector<Metric>& out, const Statistics& s, const char* key,
         const std::optional<double>& value, const char* definition, const char* range) {
  Metric metric{.key = key,
                .value = value.value_or(0),
                .undefined = value ? "" : "too few pairs, or all are equal",
                .definition = definition,
                .unit = "",
                .range = range,
                .better = Better::neither,
                .subject = s.key};
  if (!std::isfinite(metric.value)) {
    metric.value = 0;
    metric.undefined = "unbounded: a distance is 0 where worst-case regret is not";
  }
  out.push_back(std::move(metric));
}

Value cell(const std::optional<double>& x) { return x && std::isfinite(*x) ? Value(*x) : Value(); }

Block table_block(const std::vector<Statistics>& statistics, std::int64_t pairs,
                  std::int64_t left_out) {
  TableBlock table;
  table.columns = {{"distance", "", "", Better::neither},
                   {"regret", "", "Pearson's correlation with regret", Better::higher},
                   {"± regret", "", "its standard error", Better::neither},
                   {"rank, regret", "", "Spearman's correlation with regret", Better::higher},
                   {"w", "", "Pearson's correlation with worst-case regret", Better::higher},
                   {"± w", "", "its standard error", Better::neither},
                   {"rank, w", "", "Spearman's correlation with worst-case regret", Better::higher},
                   {"least w12 / d", "", "an empirical constant of completeness", Better::higher},
                   {"largest w12 / d", "", "an empirical constant of soundness", Better::lower},
                   {"variation", "", "of w12 / d: the standard deviation as a share of the mean",
                    Better::lower}};
  for (const Statistics& s : statistics) {
    if (!plain(s.key)) continue;
    table.rows.push_back({Value(s.key), cell(s.regret.rho), cell(s.regret.error),
                          cell(s.rank_regret), cell(s.w.rho), cell(s.w.error), cell(s.rank_w),
                          cell(s.L), cell(s.U), cell(s.variation)});
  }
  return {.title = "Distances and regret",
          .caption = cat("Over ", pairs, " pairs of rewards; ", left_out,
                         " were left out, as one of them is nearly trivial: its regret would be 0 "
                         "divided by 0. Blank: unbounded, or undefined."),
          .body = std::move(table)};
}

// Pearson's correlation with regret: rows divide, columns measure.
Block form_block(std::string_view form, const std::vector<Statistics>& statistics) {
  MatrixBlock body;
  for (const char* n : kNormalisers) body.row_labels.emplace_back(n);
  for (std::size_t m = 0; m < kDistances; ++m) body.column_labels.emplace_back(kNormalisers[m]);
  body.value_label = "Pearson's correlation with regret";
  for (const std::string& n : body.row_labels) {
    for (const std::string& m : body.column_labels) {
      const std::string key = cat(form, "/", n, "-", m);
      const auto found = std::find_if(statistics.begin(), statistics.end(),
                                      [&](const Statistics& s) { return s.key == key; });
      const std::optional<double> rho =
          found == statistics.end() ? std::nullopt : found->regret.rho;
      body.cells.push_back(rho.value_or(std::numeric_limits<double>::quiet_NaN()));
    }
  }
  return {.title = cat(form, ": which norms"),
          .caption =
              "Row: the norm that the form is divided by, 0 for none. Column: the norm of the "
              "difference.",
          .body = std::move(body)};
}

// Every k-th pair.
Block points_block(const Observations& observations, const std::vector<std::size_t>& keys) {
  ScatterBlock body;
  body.x_label = "distance";
  body.y_label = "(w12 + w21) / 2";
  const std::size_t step = observations.rows.size() / kPoints + 1;
  for (const std::size_t key : keys) {
    ScatterBlock::Group group{.name = observations.keys[key], .x = {}, .y = {}, .labels = {}};
    for (std::size_t i = 0; i < observations.rows.size(); i += step) {
      const Observation& row = observations.rows[i];
      if (!std::isfinite(row.distances[key])) continue;
      group.x.push_back(row.distances[key]);
      group.y.push_back(row.w());
    }
    body.groups.push_back(std::move(group));
  }
  return {.title = "Worst-case regret by distance",
          .caption = cat("One pair in ", step,
                         ". A sound distance keeps below a line through 0, a "
                         "complete one above another."),
          .body = std::move(body)};
}

}  // namespace

std::vector<Metric> correlation_metrics(const std::vector<Statistics>& statistics) {
  std::vector<Metric> out;
  for (const Statistics& s : statistics) {
    add(out, s, "pearson_regret", s.regret.rho, "correlation of the distance with regret",
        "[-1, 1]");
    add(out, s, "pearson_regret_error", s.regret.error, "its standard error", "[0, inf)");
    add(out, s, "spearman_regret", s.rank_regret, "correlation of their ranks", "[-1, 1]");
    add(out, s, "pearson_w", s.w.rho, "correlation of the distance with (w12 + w21) / 2",
        "[-1, 1]");
    add(out, s, "pearson_w_error", s.w.error, "its standard error", "[0, inf)");
    add(out, s, "spearman_w", s.rank_w, "correlation of their ranks", "[-1, 1]");
    add(out, s, "least_ratio", s.L, "least w12 / distance where w12 is above 1e-5", "[0, inf)");
    add(out, s, "largest_ratio", s.U, "largest w12 / distance where w12 is above 1e-5", "[0, inf)");
    add(out, s, "variation_of_ratios", s.variation,
        "standard deviation of w12 / distance where w12 is above 1e-5, as a share of the mean",
        "[0, inf)");
    add(out, s, "pairs", static_cast<double>(s.pairs), "pairs of rewards", "[0, inf)");
  }
  return out;
}

std::vector<Block> correlation_blocks(const Observations& observations,
                                      const std::vector<Statistics>& statistics) {
  std::vector<Block> out = {table_block(
      statistics, static_cast<std::int64_t>(observations.rows.size()), observations.left_out)};
  std::vector<std::string_view> seen;
  std::vector<std::size_t> chosen;
  for (std::size_t key = 0; key < observations.keys.size(); ++key) {
    const std::string& name = observations.keys[key];
    if (name == "span") chosen.insert(chosen.begin(), key);
    if (measure_of(name) == "2-2") chosen.push_back(key);
    const std::string_view form = form_of(name);
    if (name == "span" || std::find(seen.begin(), seen.end(), form) != seen.end()) continue;
    seen.push_back(form);
    out.push_back(form_block(form, statistics));
  }
  chosen.resize(std::min(chosen.size(), kGroups));
  out.push_back(points_block(observations, chosen));
  return out;
}

}  // namespace saffron::plugins
