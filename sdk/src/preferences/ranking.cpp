#include <saffron/error.h>
#include <saffron/preference_intervals.h>

#include <ATen/ops/std.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace saffron::inline sdk_v1::preferences {
namespace {

std::vector<std::size_t> ascending(const std::vector<double>& x) {
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return x[a] < x[b]; });
  return order;
}

// Two models, the first ahead.
struct Duel {
  std::int64_t ahead = 0, behind = 0;
  double difference = 0, low = 0, high = 0, p = 1;
};

Duel duel(const Ranking& of, std::int64_t a, std::int64_t b, double confidence) {
  const at::Tensor difference = of.values.select(1, a) - of.values.select(1, b);  // [1 + B]
  Duel out{.ahead = a, .behind = b, .difference = difference[0].item<double>()};
  const at::Tensor drawn = difference.slice(0, 1);
  const Interval found = percentile_interval(drawn, confidence);
  out.low = found.low.item<double>();
  out.high = found.high.item<double>();
  const double spread = drawn.std().item<double>();
  if (spread > 0) out.p = std::erfc(std::abs(out.difference) / spread / std::sqrt(2.0));
  if (spread == 0 && out.difference != 0) out.p = 0;
  return out;
}

std::string verdict(const Duel& of, double level, const std::string& ahead,
                    const std::string& behind) {
  return of.p < level ? cat("'", ahead, "' is ahead of '", behind, "'")
                      : cat("these prompts do not tell '", ahead, "' from '", behind, "'");
}

}  // namespace

std::vector<double> adjusted(const std::vector<double>& p, Adjust adjust) {
  std::vector<double> out = p;
  if (adjust == Adjust::none) return out;
  const std::vector<std::size_t> order = ascending(p);
  const std::size_t count = p.size();
  double bound = adjust == Adjust::holm ? 0 : 1;
  for (std::size_t step = 0; step < count; ++step) {
    if (adjust == Adjust::holm) {  // from the smallest: max over those before of (m - rank) p
      const std::size_t at = order[step];
      bound = std::max(bound, std::min(1.0, static_cast<double>(count - step) * p[at]));
      out[at] = bound;
    } else {  // from the largest: min over those after of m p / rank
      const std::size_t rank = count - step, at = order[rank - 1];
      bound = std::min(bound, static_cast<double>(count) * p[at] / static_cast<double>(rank));
      out[at] = bound;
    }
  }
  return out;
}

Schema<RankingOptions> ranking_schema() {
  return Schema<RankingOptions>{}.choice(
      "adjust", &RankingOptions::adjust,
      "how p values of a ranking allow for the number of pairs: \"holm\" keeps the chance of one "
      "wrong verdict below 1 - confidence, \"benjamini_hochberg\" the share of wrong ones among "
      "all",
      {{"holm", Adjust::holm},
       {"benjamini_hochberg", Adjust::benjamini_hochberg},
       {"none", Adjust::none}});
}

std::vector<Block> ranking_blocks(const Ranking& of, Adjust adjust,
                                  const IntervalOptions& options) {
  const double sign = of.better == Better::higher ? -1 : 1;
  std::vector<double> keys;
  for (std::size_t i = 0; i < of.names.size(); ++i) {
    keys.push_back(sign * of.values[0][static_cast<std::int64_t>(i)].item<double>());
  }
  std::vector<std::size_t> order = ascending(keys);
  std::erase_if(order, [&](std::size_t i) { return std::isnan(keys[i]); });

  const bool drawn = of.values.size(0) > 1;
  TableBlock places;
  places.columns = {{"place", "", ""}, {"model", "", ""}, {of.value, "", "", of.better}};
  std::vector<Duel> duels;
  std::vector<double> p;
  for (std::size_t place = 0; place < order.size(); ++place) {
    places.rows.push_back({Value(static_cast<std::int64_t>(place + 1)),
                           Value(of.names[order[place]]), Value(sign * keys[order[place]])});
    for (std::size_t next = place + 1; drawn && next < order.size(); ++next) {
      duels.push_back(duel(of, static_cast<std::int64_t>(order[place]),
                           static_cast<std::int64_t>(order[next]), options.confidence));
      p.push_back(duels.back().p);
    }
  }
  std::vector<Block> out = {{.title = of.title, .caption = "", .body = std::move(places)}};
  if (duels.empty()) return out;
  p = adjusted(p, adjust);
  TableBlock table;
  table.columns = {{"ahead", "", ""},
                   {"behind", "", ""},
                   {"difference", "", cat(of.value, " of the one less that of the other")},
                   {"low", "", cat(100 * options.confidence, " % interval: its lower end")},
                   {"high", "", "its upper end"},
                   {"p", "", "of no difference, adjusted for the number of pairs"},
                   {"verdict", "", cat("ahead where p < ", 1 - options.confidence)}};
  for (std::size_t i = 0; i < duels.size(); ++i) {
    Duel& one = duels[i];
    one.p = p[i];
    const std::string& ahead = of.names[static_cast<std::size_t>(one.ahead)];
    const std::string& behind = of.names[static_cast<std::size_t>(one.behind)];
    table.rows.push_back({Value(ahead), Value(behind), Value(one.difference), Value(one.low),
                          Value(one.high), Value(one.p),
                          Value(verdict(one, 1 - options.confidence, ahead, behind))});
  }
  out.push_back(
      {.title = of.title + ": who is really ahead",
       .caption = "Differences are paired: both models meet the same resamples of prompts.",
       .body = std::move(table)});
  return out;
}

}  // namespace saffron::inline sdk_v1::preferences
