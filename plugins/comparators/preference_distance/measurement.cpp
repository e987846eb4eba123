#include "measurement.h"

#include "show.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>
#include <numbers>
#include <utility>
#include <vector>

namespace saffron::plugins {
namespace {

using preferences::BanditReturns;
using preferences::CentredScores;
using preferences::Resamples;
using preferences::ResponseWeights;
using preferences::ScoreTable;

constexpr const char* kCovers =
    "policies that choose among the observed responses to these prompts";

Certificate certificate(std::string metric, double high) {
  Certificate out;
  out.metric = std::move(metric);
  out.needs = {"scores"};
  out.invariant_to = {"positive scaling", "potential shaping"};
  out.high = high;
  out.covers = kCovers;
  return out;
}

// A STARC metric of the bandit: sound and complete as every one is, with constants that depend on the table.
Certificate certify_starc(std::string metric, double high, bool sampled, double least_weight) {
  Certificate out = certificate(std::move(metric), high);
  const bool weighted = least_weight > rewards::kZero;  // else models may differ there unseen
  out.pseudometric = true;
  out.sound = out.complete = !sampled && weighted;
  out.caveat = sampled ? "It estimates the distance on all that the policy may write, of which the "
                         "observed responses are a sample: it bounds no regret on these. Potential "
                         "shaping is an offset per prompt."
                       : "Its constants depend on the numbers of prompts and responses; for known "
                         "ones see span. Potential shaping is an offset per prompt.";
  if (!weighted) {
    rewards::add_caveat(
        out, cat("The reference policy hardly gives some responses (weights down to ", least_weight,
                 "): how models score them is not in the distance, which therefore says nothing "
                 "of policies that give them."));
  }
  return out;
}

std::vector<BanditReturns::Question> pairs(
    std::int64_t R, bool ordered, const std::function<double(std::int64_t, std::int64_t)>& f) {
  std::vector<BanditReturns::Question> out;
  for (std::int64_t i = 0; i < R; ++i) {
    for (std::int64_t j = ordered ? 0 : i + 1; j < R; ++j) out.push_back({i, j, f(i, j)});
  }
  return out;
}

// range(R_i) of the unit scores in every resample [1 + B, R].
at::Tensor ranges(const ScoreTable& table, const BanditReturns& returns,
                  const Resamples& resamples) {
  std::vector<BanditReturns::Question> own;
  for (std::int64_t i = 0; i < table.models(); ++i) own.push_back({i, i, 0});
  return preferences::sum_over_prompts(
      table, resamples, [&](std::size_t b) { return returns.lines(b, own).intercept.t(); });
}

at::Tensor safe(const at::Tensor& x) { return at::where(x > 0, x, 1.0); }

// Of every resample range(R_i / a - R_j / b), a and b the resample's ranges. It is convex in a / b, which
// hardly differs from that of all prompts, and is followed along the line that supports it there.
at::Tensor spans(const ScoreTable& table, const BanditReturns& returns, const Resamples& resamples,
                 const at::Tensor& ranges) {
  const std::int64_t R = table.models();
  const at::Tensor& whole = returns.ranges();
  const auto questions = pairs(R, false, [&](std::int64_t i, std::int64_t j) {
    const double b = whole[j].item<double>();
    return b > 0 ? whole[i].item<double>() / b : 0;
  });
  const at::Tensor sums = preferences::sum_over_prompts(table, resamples, [&](std::size_t b) {
    const BanditReturns::Lines found = returns.lines(b, questions);
    return at::cat({found.intercept, found.slope}).t();
  });
  const at::Tensor out = at::zeros({sums.size(0), R, R}, at::kDouble);
  const auto Q = static_cast<std::int64_t>(questions.size());
  for (std::int64_t q = 0; q < Q; ++q) {
    const auto& [i, j, lambda] = questions[static_cast<std::size_t>(q)];
    const at::Tensor a = ranges.select(1, i), b = ranges.select(1, j);
    const at::Tensor both =
        ((sums.select(1, q) + a / safe(b) * sums.select(1, Q + q)) / safe(a)).clamp(0, 2);
    const at::Tensor value =
        at::where((a > 0) & (b > 0), both, ((a > 0) ^ (b > 0)).to(at::kDouble));
    out.select(1, i).select(1, j).copy_(value);
    out.select(1, j).select(1, i).copy_(value);
  }
  out[0].copy_(returns.spans());
  return out;
}

// Of every resample range(R_i - lambda R_j) / range(R_i) with the lambda of all prompts: at least its w12, and
// more by an amount that vanishes faster than the interval's width.
at::Tensor worst_cases(const ScoreTable& table, const BanditReturns& returns,
                       const BanditReturns::WorstCases& cases, const Resamples& resamples,
                       const at::Tensor& ranges) {
  const std::int64_t R = table.models();
  const auto questions = pairs(R, true, [&](std::int64_t i, std::int64_t j) {
    return returns.ranges()[i].item<double>() > 0 ? cases.lambda[i][j].item<double>() : 0;
  });
  std::vector<double> lambdas;
  for (const auto& question : questions) lambdas.push_back(question.lambda);
  const at::Tensor lambda = at::tensor(lambdas, at::kDouble).unsqueeze(1);
  const at::Tensor sums = preferences::sum_over_prompts(table, resamples, [&](std::size_t b) {
    const BanditReturns::Lines found = returns.lines(b, questions);
    return (found.intercept + lambda * found.slope).t();
  });
  const at::Tensor a = ranges.unsqueeze(2);
  at::Tensor out = (sums.view({-1, R, R}) / safe(a)).clamp(0, 1);
  out = at::where(a > 0, out, 0.0);
  out.diagonal(0, 1, 2).zero_();
  out[0].copy_(cases.regret);
  return out;
}

}  // namespace

Measurement::Measurement(const ScoreTable& table, const PreferenceDistance::Options& options,
                         const Random& random)
    : table_(table),
      options_(options),
      centred_(table, options.weights),
      plain_(options.weights == ResponseWeights::uniform
                 ? std::nullopt
                 : std::optional<CentredScores>(std::in_place, table, ResponseWeights::uniform)),
      returns_(table, plain_ ? *plain_ : centred_),
      resamples_(random, table, options.intervals.resamples),
      found_(table, options.intervals) {}

bool Measurement::wants(std::string_view metric) const {
  return std::find(options_.metrics.begin(), options_.metrics.end(), metric) !=
         options_.metrics.end();
}

void Measurement::add_distances() {
  if (wants("d_starc") || wants("2-2") || wants("angle") || !options_.control.empty()) add_starc();
  if (wants("span") || wants("w12") || wants("w21")) add_ranges();
}

void Measurement::add_starc() {
  const bool sampled = options_.responses == PreferenceDistance::Responses::sampled;
  const Moments moments(table_, centred_,
                        {.sums = wants("angle"), .sampled = sampled, .control = options_.control});
  const at::Tensor sums = preferences::sum_over_prompts(
      table_, resamples_, [&](std::size_t b) { return moments.of_block(b); });
  const at::Tensor norms = moments.norms(sums);
  d_starc_ = 0.5 * norms;
  if (wants("d_starc")) {
    found_.add_pairs("d_starc",
                     "1/2 ||c1 / ||c1|| - c2 / ||c2|| ||, c the scores less each prompt's mean",
                     d_starc_);
    certify(certify_starc("d_starc", 1, sampled, centred_.least_weight));
  }
  if (wants("2-2")) {
    found_.add_pairs("2-2", "||c1 / ||c1|| - c2 / ||c2|| ||, c the scores less each prompt's mean",
                     norms);
    certify(certify_starc("2-2", 2, sampled, centred_.least_weight));
  }
  if (wants("angle")) {
    found_.add_pairs("angle", "angle between c1 and c2, pi / 2 where one is trivial",
                     moments.angles(sums));
    certify(certify_starc("angle", std::numbers::pi, sampled, centred_.least_weight));
  }
  if (!options_.control.empty()) add_controlled(moments, sums);
}

void Measurement::certify(Certificate certificate) {
  std::vector<std::string> trivial;
  for (std::size_t i = 0; i < table_.names().size(); ++i) {
    if (returns_.centred().trivial[i]) trivial.push_back(table_.names()[i]);
  }
  rewards::except_trivial(trivial, certificate);
  own_.certificates.push_back(std::move(certificate));
}

void Measurement::add_controlled(const Moments& moments, const at::Tensor& sums) {
  std::string columns;
  for (const std::string& name : options_.control) columns += (columns.empty() ? "" : ", ") + name;
  found_.add_pairs("d_starc/controlled",
                   cat("d_starc of what a regression on ", columns, " within prompts leaves of c"),
                   0.5 * moments.controlled(sums));
  Metric explained;
  explained.key = "explained_by_control";
  explained.undefined = "the model is trivial: there is nothing to explain";
  explained.definition =
      cat("share of ||c||^2 that a regression on ", columns,
          " within prompts explains; it is never below 0, and where next to nothing is explained "
          "resamples lie above it");
  explained.range = "[0, 1]";
  found_.add_models(explained, moments.explained(sums));
  Certificate c = certificate("d_starc/controlled", 1);
  c.pseudometric = true;
  c.caveat = cat("It does not see what models owe to ", columns, ", and so bounds no regret.");
  certify(std::move(c));
}

void Measurement::add_ranges() {
  const at::Tensor range = ranges(table_, returns_, resamples_);
  if (wants("span")) {
    found_.add_pairs("span",
                     "range(R1 / range(R1) - R2 / range(R2)), range(R) = mean over prompts of max "
                     "R - min R over responses",
                     spans(table_, returns_, resamples_, range));
    Certificate c = certificate("span", 2);
    c.pseudometric = c.sound = c.complete = true;
    c.U = 1;
    c.L = 0.5;
    certify(std::move(c));
  }
  if (wants("w12") || wants("w21")) add_worst_cases(range);
}

void Measurement::add_worst_cases(const at::Tensor& ranges) {
  cases_ = returns_.worst_cases();
  const at::Tensor w = worst_cases(table_, returns_, *cases_, resamples_, ranges);
  if (wants("w12")) {
    found_.add_pairs("w12",
                     "max { J1(pi) - J1(pi') : J2(pi') >= J2(pi) } / (max J1 - min J1), pi and pi' "
                     "choosing among the observed responses",
                     w);
    Certificate c = certificate("w12", 1);
    c.sound = c.complete = true;
    c.U = c.L = 1;
    certify(std::move(c));
  }
  if (wants("w21")) {
    found_.add_pairs("w21",
                     "max { J2(pi) - J2(pi') : J1(pi') >= J1(pi) } / (max J2 - min J2), pi and pi' "
                     "choosing among the observed responses",
                     w.transpose(1, 2));
    Certificate c = certificate("w21", 1);
    c.caveat =
        "It bounds the regret of going by reward 1 where reward 2 counts, and w12 <= 2 w21 only "
        "where neither reward is trivial.";
    certify(std::move(c));
  }
  own_.report.blocks.push_back(words_block(table_, *cases_));
}

void Measurement::show_ranking(const std::string& reference) {
  const std::int64_t to = table_.model(reference, "closest_to");
  const at::Tensor others = (at::arange(table_.models()) != to).nonzero().view({-1});
  preferences::Ranking ranking;
  ranking.title = cat("Closest to '", reference, "'");
  ranking.value = "d_starc";
  ranking.values = d_starc_.select(1, to).index_select(1, others);
  for (std::int64_t i = 0; i < table_.models(); ++i) {
    if (i != to) ranking.names.push_back(table_.names()[static_cast<std::size_t>(i)]);
  }
  for (Block& block :
       preferences::ranking_blocks(ranking, options_.ranking.adjust, options_.intervals)) {
    own_.report.blocks.push_back(std::move(block));
  }
}

void Measurement::show_details() {
  if (options_.closest_to) show_ranking(*options_.closest_to);
  add_models(table_, centred_, returns_, own_.report);
  if (options_.prompts == 0) return;
  own_.report.blocks.push_back(shares_block(table_, centred_, options_.prompts));
  if (cases_) {
    own_.report.blocks.push_back(losses_block(table_, returns_, *cases_, options_.prompts));
  }
}

void Measurement::move_to(Comparison& out, const std::string& suffix) {
  found_.move_to(out, suffix);
  if (suffix.empty()) out.certificates = std::move(own_.certificates);
  for (Metric& metric : own_.report.metrics) out.report.metrics.push_back(std::move(metric));
  for (Block& block : own_.report.blocks) {
    block.title += suffix;
    out.report.blocks.push_back(std::move(block));
  }
  const std::string where = suffix.empty() ? "" : " in " + suffix;
  for (std::size_t i = 0; i < centred_.trivial.size(); ++i) {
    if (!centred_.trivial[i]) continue;
    out.degenerate.push_back(
        returns_.centred().trivial[i]
            ? cat("reward '", table_.names()[i], "' is trivial", where,
                  ": it scores all responses to a prompt alike")
            : cat("reward '", table_.names()[i], "' is trivial for d_starc", where,
                  ": it scores all responses alike that the reference policy gives"));
  }
}

}  // namespace saffron::plugins
