#include "preference_accuracy.h"

#include "labels.h"
#include "ties.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>

#include <utility>
#include <vector>

namespace saffron::plugins {
namespace {

using preferences::ScoreTable;

Metric like(const char* key, const char* definition, const char* unit, const char* range,
            Better better) {
  Metric out;
  out.key = key;
  out.undefined = "no two responses with different labels differ in score";
  out.definition = definition;
  out.unit = unit;
  out.range = range;
  out.better = better;
  return out;
}

void add_numbers(const LabelSums& labels, const at::Tensor& sums,
                 preferences::WithIntervals& found) {
  const at::Tensor accuracy = labels.accuracy(sums);
  found.add_models(
      like("accuracy", "mean over prompts of the share of pairs with margin > 0, ties 1/2", "",
           "[0, 1]", Better::higher),
      accuracy);
  found.add_models(
      like("accuracy_strict", "the same, ties 0 (RewardBench)", "", "[0, 1]", Better::higher),
      labels.strict(sums));
  found.add_models(
      like("best_of_k",
           "mean over prompts of the share of the highest scores that have the highest "
           "label (RewardBench 2)",
           "", "[0, 1]", Better::higher),
      labels.best_of_k(sums));
  found.add_models(like("bt_nll", "mean over prompts and pairs of -log sigma(margin)", "nats",
                        "[0, inf)", Better::lower),
                   labels.nll(sums));
  found.add_models(
      like("ece", "over bins of sigma(|margin|): sum |correct - sum sigma(|margin|)| / pairs", "",
           "[0, 1]", Better::lower),
      labels.ece(sums));
  found.add_models(like("tac", "tau-b of the signs of label and score differences, over all pairs",
                        "", "[-1, 1]", Better::higher),
                   labels.tac(sums));
  found.add_pairs("accuracy_difference", "accuracy of reward 1 less that of reward 2",
                  accuracy.unsqueeze(2) - accuracy.unsqueeze(1), {}, Better::neither);
}

Block reliability_block(const ScoreTable& table, const LabelSums& labels) {
  const at::Tensor sums =
      preferences::sum_over_prompts(table, preferences::Resamples::none(table),
                                    [&](std::size_t b) { return labels.bins_of_block(b); })[0];
  SeriesBlock body;
  body.x_label = "sigma(|margin|)";
  body.y_label = "share correct";
  body.lines.push_back({"calibrated", {0.5, 1}, {0.5, 1}});
  for (std::int64_t i = 0; i < table.models(); ++i) {
    const LabelSums::Reliability of = labels.reliability(sums, i);
    SeriesBlock::Line line{table.names()[static_cast<std::size_t>(i)], {}, {}};
    for (std::int64_t b = 0; b < of.pairs.size(0); ++b) {
      if (of.pairs[b].item<double>() == 0) continue;
      line.x.push_back(of.confidence[b].item<double>());
      line.y.push_back(of.correct[b].item<double>());
    }
    body.lines.push_back(std::move(line));
  }
  return {.title = "Calibration",
          .caption =
              "Pairs in bins of how sure the model is. Below the diagonal it is surer than it is "
              "right: its scores are too large for a Bradley-Terry model.",
          .body = std::move(body)};
}

Certificate certify_difference() {
  Certificate c;
  c.metric = "accuracy_difference";
  c.needs = {"scores", "labels"};
  c.invariant_to = {"positive scaling", "potential shaping"};
  c.low = -1;
  c.high = 1;
  c.covers = "the labelled pairs";
  c.caveat = "Equal accuracy is no agreement: two models may be wrong about different pairs.";
  return c;
}

}  // namespace

Schema<PreferenceAccuracy::Options> PreferenceAccuracy::schema() {
  return Schema<Options>{}
      .param("bins", &Options::bins, "bins of the calibration error", at_least(1), at_most(1000))
      .param("ties", &Options::ties,
             "the score of RewardBench 2's Ties subset, of prompts called \"ref:ID\" and "
             "\"tied:ID\"")
      .param("slices", &Options::slices,
             "a column of words (`groups` of the world), such as a domain: everything also for the "
             "prompts of each word, as accuracy[domain=code]")
      .include(&Options::intervals, preferences::interval_schema())
      .include(&Options::ranking, preferences::ranking_schema());
}

void PreferenceAccuracy::measure(const ScoreTable& table, const std::string& suffix,
                                 Comparison& out) const {
  const preferences::Resamples resamples(random_, table, options_.intervals.resamples);
  preferences::WithIntervals found(table, options_.intervals);
  const LabelSums labels(table, options_.bins);
  const at::Tensor sums = preferences::sum_over_prompts(
      table, resamples, [&](std::size_t b) { return labels.of_block(b); });
  if (labels.prompts(sums)[0].item<double>() == 0) {
    throw Error(ErrorKind::data, cat("labels", suffix.empty() ? "" : " in " + suffix,
                                     ": no prompt has two responses with different labels"))
        .with_help("a label says which response is better, such as 1 for what was chosen and 0");
  }
  add_numbers(labels, sums, found);
  found.move_to(out, suffix);
  preferences::Ranking ranking;
  ranking.title = "Ranking by accuracy" + suffix;
  ranking.value = "accuracy";
  ranking.names = table.names();
  ranking.values = labels.accuracy(sums);
  ranking.better = Better::higher;
  for (Block& block :
       preferences::ranking_blocks(ranking, options_.ranking.adjust, options_.intervals)) {
    out.report.blocks.push_back(std::move(block));
  }
  Block reliability = reliability_block(table, labels);
  reliability.title += suffix;
  out.report.blocks.push_back(std::move(reliability));
}

void PreferenceAccuracy::require_names(const ScoreTable& table) const {
  if (!table.labels().defined()) {
    throw Error("preference_accuracy needs labels, and the world has none")
        .with_help("give the world's file a column `label`, or name it with label = \"...\"");
  }
  if (options_.slices) static_cast<void>(table.column(*options_.slices, "slices", true));
}

void PreferenceAccuracy::check(const World& world) const {
  require_names(ScoreTable(world, "preference_accuracy"));
}

Comparison PreferenceAccuracy::compare(const World& world) {
  const ScoreTable table(world, "preference_accuracy");
  require_names(table);
  std::vector<ScoreTable::Slice> slices;
  if (options_.slices) slices = table.slices(*options_.slices, "slices");
  Comparison out;
  out.certificates.push_back(certify_difference());
  measure(table, "", out);
  if (options_.ties) add_ties(table, out.report);
  for (const ScoreTable::Slice& slice : slices) measure(slice.table, "[" + slice.key + "]", out);
  for (std::int64_t i = 0; i < table.models(); ++i) {
    bool alike = true;
    for (const preferences::PromptBlock& block : table.blocks()) {
      const at::Tensor& s = block.scores[i];
      alike = alike && (s == s.slice(0, 0, 1)).all().item<bool>();
    }
    if (!alike) continue;
    out.degenerate.push_back(cat("reward '", table.names()[static_cast<std::size_t>(i)],
                                 "' is trivial: it scores all responses to a prompt alike"));
  }
  return out;
}

}  // namespace saffron::plugins
