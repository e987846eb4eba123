#include "show.h"

#include <saffron/error.h>
#include <saffron/regret_words.h>
#include <saffron/reward_metrics.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace saffron::plugins {
namespace {

using preferences::BanditReturns;
using preferences::CentredScores;
using preferences::ScoreTable;

TableBlock::Column column(const char* name, const char* doc) { return {name, "", doc}; }

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

// The rows that f makes of each pair, in the order of pairs.
std::vector<std::vector<Value>> rows_of_pairs(
    std::int64_t R,
    const std::function<void(std::int64_t, std::int64_t, std::vector<std::vector<Value>>&)>& f) {
  std::vector<std::vector<std::vector<Value>>> found(index(R * R));
  at::parallel_for(0, R * R, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) f(at / R, at % R, found[index(at)]);
  });
  std::vector<std::vector<Value>> out;
  for (auto& rows : found) std::move(rows.begin(), rows.end(), std::back_inserter(out));
  return out;
}

// A prompt of a block.
struct At {
  std::size_t block = 0;
  std::int64_t place = 0;
};

// The `most` largest positive values of f(block) [n], largest first; of equal ones the first.
std::vector<std::pair<double, At>> largest(const ScoreTable& table, std::int64_t most,
                                           const std::function<at::Tensor(std::size_t)>& f) {
  std::vector<std::pair<double, At>> kept;
  for (std::size_t b = 0; b < table.blocks().size(); ++b) {
    const at::Tensor values = f(b).contiguous();
    const auto* p = values.const_data_ptr<double>();
    for (std::int64_t i = 0; i < values.size(0); ++i) {
      if (p[i] <= 0 || (std::ssize(kept) == most && p[i] <= kept.back().first)) continue;
      const auto place = std::find_if(kept.begin(), kept.end(),
                                      [&](const auto& other) { return other.first < p[i]; });
      kept.insert(place, {p[i], {b, i}});
      if (std::ssize(kept) > most) kept.pop_back();
    }
  }
  return kept;
}

std::string prompt_name(const ScoreTable& table, const At& at) {
  return table.prompt_name(table.blocks()[at.block].prompts[at.place].item<std::int64_t>());
}

}  // namespace

void add_models(const ScoreTable& table, const CentredScores& centred, const BanditReturns& returns,
                Report& out) {
  TableBlock body;
  body.columns = {
      column("model", ""), column("scores", "root mean square of the scores as they are"),
      column("within prompts", "the same less each prompt's mean"),
      column("residual_fraction", "the second over the first"),
      column("range", "mean over prompts of the best response's score less the worst's")};
  for (std::size_t i = 0; i < table.names().size(); ++i) {
    const double fraction = centred.size[i] > 0 ? centred.norm[i] / centred.size[i] : 0;
    const double range = returns.ranges()[static_cast<std::int64_t>(i)].item<double>();
    body.rows.push_back({Value(table.names()[i]), Value(centred.size[i]), Value(centred.norm[i]),
                         Value(fraction), Value(range * returns.centred().norm[i])});
    Metric metric;
    metric.key = "residual_fraction";
    metric.value = fraction;
    metric.definition = "||c|| / ||R||, c the scores less each prompt's mean";
    metric.range = "[0, 1]";
    metric.subject = table.names()[i];
    if (centred.size[i] == 0) metric.undefined = "all scores are 0";
    out.metrics.push_back(std::move(metric));
  }
  out.blocks.push_back({.title = "Reward models",
                        .caption = "What is left of the scores without the prompts' offsets, which "
                                   "no choice between responses depends on.",
                        .body = std::move(body)});
}

Block words_block(const ScoreTable& table, const BanditReturns::WorstCases& cases) {
  TableBlock body;
  body.columns = {column("what is certain on the observed responses", "")};
  for (std::int64_t i = 0; i < table.models(); ++i) {
    for (std::int64_t j = 0; j < table.models(); ++j) {
      if (i == j) continue;
      body.rows.push_back({Value(rewards::regret_in_words(
          table.names()[index(i)], table.names()[index(j)], cases.regret[i][j].item<double>()))});
    }
  }
  return {.title = "In words",
          .caption =
              "Of all ways to choose among the observed responses to these prompts. Nothing "
              "is said of responses that were not scored.",
          .body = std::move(body)};
}

Block shares_block(const ScoreTable& table, const CentredScores& centred, std::int64_t most) {
  TableBlock body;
  body.columns = {column("a", "reward 1"), column("b", "reward 2"), column("prompt", ""),
                  column("share", "of d_starc^2, which is a sum over prompts"),
                  column("in proportion", "the share, in shares of one prompt among all")};
  const auto P = static_cast<double>(table.prompts());
  body.rows = rows_of_pairs(table.models(), [&](std::int64_t i, std::int64_t j, auto& rows) {
    if (i >= j) return;
    const auto apart = [&](std::size_t b) {
      const at::Tensor& c = centred.unit[b];
      return ((c[i] - c[j]).square() * centred.weights[b]).sum(0);
    };
    double total = 0;
    const auto kept = largest(table, most, [&](std::size_t b) {
      at::Tensor values = apart(b);
      total += values.sum().item<double>();
      return values;
    });
    if (total <= rewards::kZero * rewards::kZero * P) return;
    for (const auto& [value, at] : kept) {
      rows.push_back({Value(table.names()[index(i)]), Value(table.names()[index(j)]),
                      Value(prompt_name(table, at)), Value(value / total),
                      Value(value / total * P)});
    }
  });
  return {.title = "Prompts that carry the distance",
          .caption = cat("Up to ", most, " prompts a pair, those on which the two disagree most."),
          .body = std::move(body)};
}

Block losses_block(const ScoreTable& table, const BanditReturns& returns,
                   const BanditReturns::WorstCases& cases, std::int64_t most) {
  TableBlock body;
  body.columns = {
      column("counts", "reward 1"),
      column("followed", "reward 2"),
      column("prompt", ""),
      column("forgone", "the response that the one policy gives"),
      column("followed instead", "that of the other, no worse on the whole by reward 2"),
      column("loss", "of reward 1, a share of its range over all prompts")};
  const auto P = static_cast<double>(table.prompts());
  body.rows = rows_of_pairs(table.models(), [&](std::int64_t i, std::int64_t j, auto& rows) {
    if (i == j || cases.regret[i][j].item<double>() <= rewards::kZero) return;
    const BanditReturns::Question at_worst{i, j, cases.lambda[i][j].item<double>()};
    const double range = returns.ranges()[i].item<double>() * P;
    const auto kept = largest(
        table, most, [&](std::size_t b) { return returns.lines(b, {at_worst}).intercept[0]; });
    for (const auto& [loss, at] : kept) {
      const BanditReturns::Support of = returns.support(at.block, at_worst);
      const auto response = [&](const at::Tensor& k) {
        return table.response_name(table.blocks()[at.block]
                                       .rows[k[at.place].template item<std::int64_t>()][at.place]
                                       .template item<std::int64_t>());
      };
      rows.push_back({Value(table.names()[index(i)]), Value(table.names()[index(j)]),
                      Value(prompt_name(table, at)), Value(response(of.best)),
                      Value(response(of.worst)), Value(loss / range)});
    }
  });
  return {
      .title = "Prompts that cost most",
      .caption = cat("Where two policies part that attain the worst case: up to ", most,
                     " prompts a pair. Losses add up to w12, up to ties and with gains elsewhere."),
      .body = std::move(body)};
}

}  // namespace saffron::plugins
