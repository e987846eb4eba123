#include "preference_regret.h"

#include <saffron/error.h>
#include <saffron/regret_words.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <limits>
#include <utility>

namespace saffron::plugins {
namespace {

using preferences::PromptBlock;
using preferences::ScoreTable;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// max_y R_i - R_i(y_j) of the response with the highest R_j, for all i and j: [R, R, n].
struct BestOfK {
  at::Tensor pessimistic, optimistic, range;  // range [R, n]
  at::Tensor ties;                            // [R, n], 1 where several responses are best
};

BestOfK best_of_k(const PromptBlock& block) {
  const at::Tensor& s = block.scores;  // [R, K, n]
  const at::Tensor top = s.amax(1, true);
  const at::Tensor best = s == top;
  BestOfK out;
  out.range = (top - s.amin(1, true)).squeeze(1);
  out.ties = (best.sum(1) > 1).to(at::kDouble);
  std::vector<at::Tensor> worst_of, best_of;
  for (std::int64_t j = 0; j < s.size(0); ++j) {
    if (out.ties[j].any().item<bool>()) {
      worst_of.push_back(at::where(best[j], s, kInfinity).amin(1));
      best_of.push_back(at::where(best[j], s, -kInfinity).amax(1));
    } else {
      const at::Tensor chosen = s[j].argmax(0, true).unsqueeze(0);  // [1, 1, n]
      worst_of.push_back(s.gather(1, chosen.expand({s.size(0), 1, s.size(2)})).squeeze(1));
      best_of.push_back(worst_of.back());
    }
  }
  out.pessimistic = top - at::stack(worst_of, 1);
  out.optimistic = top - at::stack(best_of, 1);
  return out;
}

// KL(pi_j || pi_i) for all i and j: [R, R, n].
at::Tensor gibbs(const ScoreTable& table, const PromptBlock& block, double beta) {
  at::Tensor logits = (block.scores - block.scores.amax(1, true)) / beta;
  if (table.log_reference().defined()) logits = logits + block.take(table.log_reference());
  const at::Tensor log_p = logits.log_softmax(1);
  std::vector<at::Tensor> of_j;
  for (std::int64_t j = 0; j < log_p.size(0); ++j) {
    of_j.push_back((log_p[j].exp() * (log_p[j] - log_p)).sum(1));
  }
  return at::stack(of_j, 1).clamp_min(0);
}

// Whether some model likes several responses to a prompt best, so that it matters which it gives.
bool any_ties(const ScoreTable& table) {
  for (const PromptBlock& block : table.blocks()) {
    const at::Tensor best = block.scores == block.scores.amax(1, true);
    if ((best.sum(1) > 1).any().item<bool>()) return true;
  }
  return false;
}

Certificate certify(const std::string& metric) {
  Certificate out;
  out.metric = metric;
  out.needs = {"scores"};
  return out;
}

}  // namespace

Schema<PreferenceRegret::Options> PreferenceRegret::schema() {
  return Schema<Options>{}
      .param("ties", &Options::ties,
             "among several responses with the highest score, the \"pessimistic\" or the "
             "\"optimistic\" choice; or both",
             one_of({"pessimistic", "optimistic"}))
      .param("betas", &Options::betas,
             "coefficients of the KL penalty, in units of the scores: kl_regret/beta=...; none, no "
             "kl_regret",
             positive())
      .include(&Options::intervals, preferences::interval_schema())
      .check([](const Options& o) {
        if (o.ties.empty() && o.betas.empty()) return std::string("ties and betas are both empty");
        std::vector<std::string> betas;
        for (const double beta : o.betas) betas.push_back(cat(beta));
        const std::string wrong =
            betas.empty() ? std::string() : rewards::check_distinct("betas", betas);
        return !wrong.empty() || o.ties.empty() ? wrong : rewards::check_distinct("ties", o.ties);
      });
}

Comparison PreferenceRegret::compare(const World& world) {
  const ScoreTable table(world, "preference_regret");
  const preferences::Resamples resamples(random_, table, options_.intervals.resamples);
  preferences::WithIntervals found(table, options_.intervals);
  const std::int64_t R = table.models();
  const auto betas = static_cast<std::int64_t>(options_.betas.size());
  const bool tied = any_ties(table);  // otherwise the optimistic choice is the pessimistic one
  const at::Tensor sums = preferences::sum_over_prompts(table, resamples, [&](std::size_t b) {
    const PromptBlock& block = table.blocks()[b];
    const BestOfK best = best_of_k(block);
    std::vector<at::Tensor> parts = {best.range, best.ties, best.pessimistic.flatten(0, 1)};
    if (tied) parts.push_back(best.optimistic.flatten(0, 1));
    for (const double beta : options_.betas) {
      parts.push_back(gibbs(table, block, beta).flatten(0, 1));
    }
    return at::cat(parts).t();
  });
  const auto prompts = static_cast<double>(table.prompts());
  const at::Tensor range = sums.slice(1, 0, R), ties = sums.slice(1, R, 2 * R);
  const auto matrix = [&](std::int64_t number) {
    const std::int64_t from = 2 * R + number * R * R;
    return sums.slice(1, from, from + R * R).reshape({-1, R, R});
  };
  Comparison out;
  for (const std::string& tie : options_.ties) {
    const std::string key = "best_of_k/" + tie;
    const at::Tensor whole = range.unsqueeze(2);
    found.add_pairs(
        key,
        cat("mean (max R1 - R1(y2)) / mean (max R1 - min R1), y2 the response with the "
            "highest R2, ",
            tie, " where several are"),
        at::where(whole > 0,
                  matrix(tied && tie == "optimistic" ? 1 : 0) / at::where(whole > 0, whole, 1.0),
                  0.0));
    Certificate c = certify(key);
    c.invariant_to = {"positive scaling", "potential shaping"};
    c.complete = true;
    c.L = 1;
    c.high = 1;
    c.covers = "the response that each model scores highest, of the observed ones";
    c.caveat =
        "Models with the same favourites are 0 apart, however they order other responses: it "
        "bounds "
        "no regret of weaker optimisation, for which see w12 of preference_distance.";
    out.certificates.push_back(std::move(c));
  }
  for (std::int64_t number = 0; number < betas; ++number) {
    const double beta = options_.betas[static_cast<std::size_t>(number)];
    const at::Tensor values = matrix((tied ? 2 : 1) + number) * (beta / prompts);
    if (!values[0].isfinite().all().item<bool>()) {
      throw Error(ErrorKind::numeric, cat("betas: scores over ", beta, " overflow float64"))
          .with_help("use a larger beta");
    }
    const std::string key = "kl_regret/beta=" + rewards::short_number(beta);
    found.add_pairs(key, "beta mean KL(pi_2 || pi_1), pi_i in proportion to pi_ref exp(R_i / beta)",
                    values);
    Certificate c = certify(key);
    if (table.log_reference().defined()) c.needs.emplace_back("log_reference");
    c.invariant_to = {"potential shaping"};
    c.high = kInfinity;
    c.covers = "Gibbs policies over the observed responses, at this beta";
    c.caveat = "In units of reward 1, and not blind to its scale.";
    out.certificates.push_back(std::move(c));
  }
  Metric shared;
  shared.key = "top_ties";
  shared.definition = "share of prompts with several responses of the highest score";
  shared.range = "[0, 1]";
  found.add_models(shared, ties / prompts);
  found.move_to(out);
  for (std::int64_t i = 0; i < R; ++i) {
    if (range[0][i].item<double>() > 0) continue;
    out.degenerate.push_back(cat("reward '", table.names()[static_cast<std::size_t>(i)],
                                 "' is trivial: it scores all responses to a prompt alike"));
  }
  return out;
}

}  // namespace saffron::plugins
