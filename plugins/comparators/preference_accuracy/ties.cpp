#include "ties.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::plugins {
namespace {

using preferences::PromptBlock;
using preferences::ScoreTable;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Of one prompt and every model.
struct Margins {
  at::Tensor margin;  // [R] lowest correct score less the highest incorrect one
  at::Tensor spread;  // [R] of the correct scores
};

struct Prompts {
  std::map<std::string, Margins> tied, ref;  // by ID
};

void check_labels(const ScoreTable& table, const PromptBlock& block, const at::Tensor& labels) {
  const at::Tensor correct = (labels == 1).sum(0), wrong = (labels == 0).sum(0);
  for (std::int64_t p = 0; p < block.count(); ++p) {
    const auto count = [&](const at::Tensor& of) { return of[p].item<std::int64_t>(); };
    if (count(correct) > 0 && count(wrong) > 0 &&
        count(correct) + count(wrong) == block.responses()) {
      continue;
    }
    throw Error(ErrorKind::data,
                cat("ties: prompt '", table.prompt_name(block.prompts[p].item<std::int64_t>()),
                    "' has ", count(correct), " responses with label 1 and ", count(wrong),
                    " with label 0, of ", block.responses()))
        .with_help("each has at least one of both, and no other labels");
  }
}

Prompts read(const ScoreTable& table) {
  Prompts out;
  for (const PromptBlock& block : table.blocks()) {
    const at::Tensor labels = block.take(table.labels());
    check_labels(table, block, labels);
    const at::Tensor correct = labels == 1;
    const at::Tensor low = at::where(correct, block.scores, kInfinity).amin(1);
    const at::Tensor high = at::where(correct, block.scores, -kInfinity).amax(1);
    const at::Tensor other = at::where(correct, -kInfinity, block.scores).amax(1);
    for (std::int64_t p = 0; p < block.count(); ++p) {
      const std::string name = table.prompt_name(block.prompts[p].item<std::int64_t>());
      const Margins of{(low - other).select(1, p), (high - low).select(1, p)};
      if (name.starts_with("tied:")) out.tied.emplace(name.substr(5), of);
      if (name.starts_with("ref:")) out.ref.emplace(name.substr(4), of);
    }
  }
  return out;
}

double accuracy(const std::map<std::string, Margins>& prompts, std::int64_t model) {
  double sum = 0;
  for (const auto& [id, of] : prompts) sum += of.margin[model].item<double>() > 0 ? 1 : 0;
  return sum / static_cast<double>(prompts.size());
}

}  // namespace

void add_ties(const ScoreTable& table, Report& out) {
  const Prompts prompts = read(table);
  std::vector<std::string> ids;
  for (const auto& [id, of] : prompts.tied) {
    if (prompts.ref.contains(id)) ids.push_back(id);
  }
  if (ids.empty()) {
    throw Error("ties: no ID has both a prompt \"ref:ID\" and a prompt \"tied:ID\"")
        .with_help("call prompts so in the column prompt_id, as RewardBench 2 does");
  }
  const auto count = static_cast<double>(ids.size());
  for (std::int64_t i = 0; i < table.models(); ++i) {
    double preferred = 0, hard = 0, closeness = 0;
    for (const std::string& id : ids) {
      const double spread = prompts.tied.at(id).spread[i].item<double>();
      const double tied = prompts.tied.at(id).margin[i].item<double>();
      const double least = std::min(prompts.ref.at(id).margin[i].item<double>(), tied);
      preferred += tied > spread ? 1 / count : 0;
      hard += least > spread ? 1 / count : 0;
      const double close = std::tanh(least / spread - 1);
      closeness += std::isnan(close) ? 0 : close / count;
    }
    const double of_tied = accuracy(prompts.tied, i), of_ref = accuracy(prompts.ref, i);
    const auto add = [&](const char* key, double value, const char* definition, const char* range) {
      Metric metric;
      metric.key = key;
      metric.value = value;
      metric.definition = definition;
      metric.range = range;
      metric.better = Better::higher;
      metric.subject = table.names()[static_cast<std::size_t>(i)];
      out.metrics.push_back(std::move(metric));
    };
    add("ties_score",
        0.30 * of_tied + 0.30 * of_ref + 0.20 * preferred + 0.20 * hard + 0.01 * closeness,
        ".30 tied + .30 ref + .20 preferred + .20 preferred_hard + .01 margin (RewardBench 2)",
        "[-0.01, 1.01]");
    add("ties_accuracy_tied", of_tied,
        "share of tied prompts all of whose correct responses score above all others", "[0, 1]");
    add("ties_accuracy_ref", of_ref, "the same of reference prompts", "[0, 1]");
    add("ties_preferred", preferred,
        "share of m > s, m the correct scores' lead over the others, s their spread", "[0, 1]");
    add("ties_preferred_hard", hard, "the same with the smaller m of the tied and the ref prompt",
        "[0, 1]");
    add("ties_margin", closeness, "mean tanh(that m / s - 1), 0 / 0 counting as 0", "[-1, 1]");
  }
}

}  // namespace saffron::plugins
