#include "preference_agreement.h"

#include "pooled.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_sigmoid.h>
#include <ATen/ops/triu_indices.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace saffron::plugins {
namespace {

using preferences::CentredScores;
using preferences::PromptBlock;
using preferences::ScoreTable;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// [R, M, n] -> [n, R, M]: one matrix a prompt.
at::Tensor by_prompt(const at::Tensor& x) { return x.permute({2, 0, 1}).contiguous(); }

// x y' of each prompt: [n, R, R].
at::Tensor per_prompt(const at::Tensor& x, const at::Tensor& y) {
  return at::bmm(x, y.transpose(1, 2));
}

// x_ab / sqrt(s_a s_b) of each prompt, 0 where s is: [n, R, R].
at::Tensor normalised(const at::Tensor& x, const at::Tensor& squares) {
  const at::Tensor root = at::where(squares > 0, squares, 1.0).sqrt();
  return (x / root.unsqueeze(2) / root.unsqueeze(1)).clamp(-1, 1);
}

// Ranks less their mean: half the sum of the signs of a score less the others.
at::Tensor centred_ranks(const at::Tensor& signs, const at::Tensor& like) {  // [R, M, n], [R, K, n]
  const at::Tensor pairs = at::triu_indices(like.size(1), like.size(1), 1, at::kLong);
  at::Tensor out = at::zeros_like(like);
  out.index_add_(1, pairs[0], signs, 0.5);
  out.index_add_(1, pairs[1], signs, -0.5);
  return out;
}

// mean over pairs of p1 (d1 - d2) - s(d1) + s(d2), s(d) = log(1 + exp d): KL(B1 || B2), [n, R, R].
at::Tensor preference_kl(const at::Tensor& difference) {
  const at::Tensor d = by_prompt(difference);
  const at::Tensor s = -at::log_sigmoid(-d).sum(2);
  const at::Tensor cross = per_prompt(d.sigmoid(), d);
  const at::Tensor own = cross.diagonal(0, 1, 2);
  return ((own.unsqueeze(2) - cross - s.unsqueeze(2) + s.unsqueeze(1)) /
          static_cast<double>(d.size(2)))
      .clamp_min(0);
}

// What a block's prompts add: symmetric matrices by their upper triangles, then preference_kl.
class Sums {
 public:
  explicit Sums(std::int64_t models)
      : R_(models), upper_(at::triu_indices(models, models, 0, at::kLong)) {}

  [[nodiscard]] at::Tensor of_block(const PromptBlock& block, const at::Tensor& unit) const {
    const at::Tensor difference = preferences::pair_differences(block.scores);
    const at::Tensor sign = difference.sign(), signs = by_prompt(sign), untied = signs.abs();
    const at::Tensor order = per_prompt(signs, signs), both = per_prompt(untied, untied);
    const at::Tensor count = untied.sum(2);  // [n, R]
    const at::Tensor some = (count > 0).to(at::kDouble);
    const at::Tensor ranks = by_prompt(centred_ranks(sign, block.scores));
    const at::Tensor covariance = per_prompt(ranks, ranks);
    const at::Tensor alike = 1 - 0.5 * (count.unsqueeze(2) + count.unsqueeze(1) - order - both) /
                                     static_cast<double>(difference.size(1));
    const at::Tensor c = by_prompt(unit);
    std::vector<at::Tensor> parts;
    for (const at::Tensor& matrix :
         {normalised(order, count), normalised(covariance, covariance.diagonal(0, 1, 2)),
          some.unsqueeze(2) * some.unsqueeze(1), alike,
          per_prompt(c, c) / static_cast<double>(block.responses())}) {
      parts.push_back(matrix.reshape({-1, R_ * R_}).index_select(1, upper_[0] * R_ + upper_[1]));
    }
    parts.push_back(preference_kl(difference).reshape({-1, R_ * R_}));
    parts.push_back(1 - some);
    return at::cat(parts, 1);
  }

  enum Part : std::int64_t { tau, spearman, defined, agreement, product };
  static constexpr std::int64_t kParts = product + 1;
  [[nodiscard]] at::Tensor symmetric(const at::Tensor& sums, Part part) const {  // [T, R, R]
    const std::int64_t width = upper_.size(1);
    const at::Tensor values = sums.slice(1, part * width, (part + 1) * width);
    const at::Tensor out = at::zeros({sums.size(0), R_ * R_}, sums.options());
    out.index_copy_(1, upper_[0] * R_ + upper_[1], values);
    out.index_copy_(1, upper_[1] * R_ + upper_[0], values);
    return out.view({-1, R_, R_});
  }
  [[nodiscard]] at::Tensor divergence(const at::Tensor& sums) const {
    const std::int64_t from = kParts * upper_.size(1);
    return sums.slice(1, from, from + R_ * R_).reshape({-1, R_, R_});
  }
  [[nodiscard]] at::Tensor flat_prompts(const at::Tensor& sums) const {  // [T, R]
    return sums.slice(1, sums.size(1) - R_);
  }

 private:
  std::int64_t R_;
  at::Tensor upper_;
};

// Of pairs of which `undefined`, bool [R, R], why.
std::vector<std::string> reasons(const at::Tensor& undefined, const ScoreTable& table,
                                 const at::Tensor& flat) {
  const std::int64_t R = table.models();
  std::vector<std::string> out(static_cast<std::size_t>(R * R));
  const auto never = [&](std::int64_t i) {
    return flat[i].item<double>() == static_cast<double>(table.prompts());
  };
  for (std::int64_t at = 0; at < R * R; ++at) {
    const std::int64_t a = at / R, b = at % R;
    if (!undefined[a][b].item<bool>()) continue;
    const std::int64_t which = never(a) ? a : b;
    out[static_cast<std::size_t>(at)] =
        never(which) ? cat("model '", table.names()[static_cast<std::size_t>(which)],
                           "' scores all responses to a prompt alike, in every prompt")
                     : std::string("in every prompt one of the two scores all responses alike");
  }
  return out;
}

Certificate certify(const char* metric, double low, double high, bool scale_free) {
  Certificate c;
  c.metric = metric;
  c.needs = {"scores"};
  if (scale_free) c.invariant_to.emplace_back("positive scaling");
  c.invariant_to.emplace_back("potential shaping");
  c.low = low;
  c.high = high;
  c.covers = "the observed responses, within prompts";
  c.caveat = scale_free
                 ? "It bounds no regret: pairs that matter and pairs that do not count alike."
                 : "Scores count as log odds: it is not blind to their scale.";
  return c;
}

}  // namespace

Schema<PreferenceAgreement::Options> PreferenceAgreement::schema() {
  return Schema<Options>{}
      .param(
          "metrics", &Options::metrics,
          "\"kendall_tau_b\", \"spearman\" and \"pearson\" within prompts; \"agreement\" on pairs "
          "of responses; \"preference_kl\" of Bernoulli(sigma(margin))",
          not_empty(),
          one_of({"kendall_tau_b", "spearman", "pearson", "agreement", "preference_kl"}))
      .param("pooled", &Options::pooled,
             "also correlations over all prompts together, which see the prompts' offsets, and so "
             "something that no preference depends on")
      .include(&Options::intervals, preferences::interval_schema())
      .check([](const Options& o) { return rewards::check_distinct("metrics", o.metrics); });
}

Comparison PreferenceAgreement::compare(const World& world) {
  const ScoreTable table(world, "preference_agreement");
  const CentredScores centred(table, preferences::ResponseWeights::uniform);
  const preferences::Resamples resamples(random_, table, options_.intervals.resamples);
  preferences::WithIntervals found(table, options_.intervals);
  const Sums parts(table.models());
  const at::Tensor sums = preferences::sum_over_prompts(table, resamples, [&](std::size_t b) {
    return parts.of_block(table.blocks()[b], centred.unit[b]);
  });
  const auto prompts = static_cast<double>(table.prompts());
  const at::Tensor flat = parts.flat_prompts(sums);
  const at::Tensor defined = parts.symmetric(sums, Sums::defined);
  Comparison out;
  const auto add = [&](const char* key, const char* definition, const at::Tensor& values,
                       Better better) {
    found.add_pairs(key, definition, values, reasons(values[0].isnan(), table, flat[0]), better);
  };
  const auto mean_defined = [&](Sums::Part part) {
    return at::where(defined > 0, parts.symmetric(sums, part) / defined, kNaN);
  };
  for (const std::string& name : options_.metrics) {
    if (name == "kendall_tau_b") {
      add("kendall_tau_b", "mean over prompts of (P - Q) / sqrt(T1 T2), where both are not 0",
          mean_defined(Sums::tau), Better::higher);
    } else if (name == "spearman") {
      add("spearman", "mean over prompts of the correlation of ranks, where neither is constant",
          mean_defined(Sums::spearman), Better::higher);
    } else if (name == "pearson") {
      const at::Tensor c = parts.symmetric(sums, Sums::product);
      const at::Tensor root = c.diagonal(0, 1, 2).sqrt();
      const at::Tensor rho = (c / root.unsqueeze(2) / root.unsqueeze(1)).clamp(-1, 1);
      add("pearson", "correlation of scores less each prompt's mean", rho, Better::higher);
    } else if (name == "agreement") {
      add("agreement",
          "mean over prompts of the share of pairs that both order alike; tied in one alone: 1/2",
          parts.symmetric(sums, Sums::agreement) / prompts, Better::higher);
    } else {
      add("preference_kl", "mean KL(Bernoulli(sigma(margin 1)) || Bernoulli(sigma(margin 2)))",
          parts.divergence(sums) / prompts, Better::lower);
    }
    const bool divergence = name == "preference_kl";
    const double low = divergence || name == "agreement" ? 0 : -1;
    out.certificates.push_back(certify(
        name.c_str(), low, divergence ? std::numeric_limits<double>::infinity() : 1, !divergence));
  }
  Metric undecided;
  undecided.key = "undecided_prompts";
  undecided.definition = "share of prompts all of whose responses the model scores alike";
  undecided.range = "[0, 1]";
  found.add_models(undecided, flat / prompts);
  found.move_to(out);
  if (options_.pooled) add_pooled(table.scores(), table.names(), out);
  for (std::size_t i = 0; i < centred.trivial.size(); ++i) {
    if (!centred.trivial[i]) continue;
    out.degenerate.push_back(cat("reward '", table.names()[i],
                                 "' is trivial: it scores all responses to a prompt alike"));
  }
  return out;
}

}  // namespace saffron::plugins
