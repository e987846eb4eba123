#include "regret.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>
#include <saffron/reward_sparse.h>

#include <algorithm>
#include <iterator>

namespace saffron::plugins {
namespace {

using rewards::PolicyReturns;

constexpr const char* kRegret1 =
    "(J1(pi_1) - J1(pi_2)) / (max J1 - min J1), pi_i optimal for reward i, ";
constexpr const char* kRegret2 =
    "(J2(pi_2) - J2(pi_1)) / (max J2 - min J2), pi_i optimal for reward i, ";

// Going by reward 2 may lose as much as w12, of which pi_2 is one case: regret1 <= w12, and so, where
// neither reward is trivial, regret2 <= w21 <= 2 w12, and their mean is at most 1.5 w12.
void add(Comparison& out, const TabularWorld& world, const std::vector<std::string>& trivial,
         std::string key, const at::Tensor& values, std::string definition, double L) {
  Certificate c;
  c.metric = key;
  c.needs = {"transitions", "mu0"};
  c.invariant_to = {"positive scaling", "S'-redistribution"};
  rewards::claim_shaping(world, rewards::Shaping::ending, c);
  c.complete = true;
  c.L = L;
  c.high = 1;
  c.covers = "the optimal policies of both rewards";
  c.caveat =
      "Rewards with the same optimal policies are 0 apart, however they order others: it "
      "bounds no regret of policies that are less than optimal.";
  if (L < 1) rewards::except_trivial(trivial, c);
  out.metrics.push_back({std::move(key), values, {}, std::move(definition)});
  out.certificates.push_back(std::move(c));
}

// What either way of planning has found, and how far it may be off: 0 where planning is exact.
struct Found {
  const std::vector<std::string>& names;
  std::vector<std::string> trivial = {};
  std::vector<double> highest = {}, ranges = {};
  at::Tensor worst, best;  // [R, R]
  double error = 0;
};

Block returns_block(const Found& found) {
  TableBlock table;
  table.columns = {{"reward", "", ""},
                   {"max J", "", "the optimal policies' expected return"},
                   {"min J", "", "the worst policies'"},
                   {"range", "", "max J - min J"}};
  for (std::size_t i = 0; i < found.names.size(); ++i) {
    table.rows.push_back({Value(found.names[i]), Value(found.highest[i]),
                          Value(found.highest[i] - found.ranges[i]), Value(found.ranges[i])});
  }
  return {.title = "What policies earn",
          .caption = "Regret is a share of the range.",
          .body = std::move(table)};
}

Comparison comparison(const TabularWorld& world, const std::vector<std::string>& ties,
                      const Found& found) {
  Comparison out;
  for (const std::string& tie : ties) {
    const at::Tensor& values = tie == "pessimistic" ? found.worst : found.best;
    const std::string words = cat(tie == "pessimistic" ? "the worst" : "the best",
                                  " of several that rounding cannot tell apart");
    add(out, world, found.trivial, "regret1_" + tie, values, kRegret1 + words, 1);
    add(out, world, found.trivial, "regret2_" + tie, values.t().contiguous(), kRegret2 + words,
        0.5);
    add(out, world, found.trivial, "regret_mean_" + tie, (values + values.t()) / 2,
        cat("(regret1_", tie, " + regret2_", tie, ") / 2"), 2.0 / 3);
  }
  if (found.error > 0) {
    for (Certificate& c : out.certificates) {
      rewards::add_caveat(c, cat("Planned by iteration: values are right to within ", found.error,
                                 ", where actions tie that differ by ", rewards::kTieOfActions,
                                 " of their terms."));
    }
  }
  out.report.blocks.push_back(returns_block(found));
  for (const std::string& name : found.trivial) {
    out.degenerate.push_back(cat("reward '", name, "' ", rewards::kTrivial));
  }
  return out;
}

Comparison compare_sparse(const TabularWorld& world, const std::vector<std::string>& ties,
                          const std::vector<std::string>& names) {
  const rewards::SparseReturns returns(world, names);
  const std::int64_t count = returns.rewards();
  Found found{.names = names, .trivial = returns.trivial()};
  found.worst = at::zeros({count, count}, at::kDouble);
  found.best = at::zeros_like(found.worst);
  for (std::int64_t i = 0; i < count; ++i) {
    found.highest.push_back(returns.highest(i));
    found.ranges.push_back(returns.range(i).value);
  }
  const auto regrets = returns.regrets();
  for (std::size_t at = 0; at < regrets.size(); ++at) {
    const auto& [pessimistic, optimistic] = regrets[at];
    found.worst.view(-1)[static_cast<std::int64_t>(at)] = pessimistic.value;
    found.best.view(-1)[static_cast<std::int64_t>(at)] = optimistic.value;
    found.error = std::max({found.error, pessimistic.error, optimistic.error});
  }
  Comparison out = comparison(world, ties, found);
  std::ranges::copy(returns.uncertain(), std::back_inserter(out.degenerate));
  std::ranges::copy(returns.uncertain_optima(), std::back_inserter(out.degenerate));
  out.report.blocks.push_back(rewards::solver_block(returns.solved()));
  return out;
}

}  // namespace

Schema<Regret::Options> Regret::schema() {
  return Schema<Options>{}
      .param("ties", &Options::ties,
             "among several optimal policies, the \"pessimistic\" or the \"optimistic\" choice; or "
             "both",
             one_of({"pessimistic", "optimistic"}))
      .check([](const Options& o) { return rewards::check_distinct("ties", o.ties); });
}

void Regret::check(const World& world) const { (void)rewards::tabular(world, "regret"); }

Comparison Regret::compare(const World& world) {
  const TabularWorld& tabular = rewards::tabular(world, "regret");
  const auto& names = world.info().rewards;
  if (tabular.transitions().sparse()) return compare_sparse(tabular, options_.ties, names);
  const PolicyReturns returns(tabular, names);
  const std::int64_t count = returns.rewards();
  Found found{.names = names, .trivial = returns.trivial()};
  found.worst = at::zeros({count, count}, at::kDouble);
  found.best = at::zeros_like(found.worst);
  const auto regrets = returns.regrets();
  for (std::size_t at = 0; at < regrets.size(); ++at) {
    found.worst.view(-1)[static_cast<std::int64_t>(at)] = regrets[at].pessimistic;
    found.best.view(-1)[static_cast<std::int64_t>(at)] = regrets[at].optimistic;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    found.highest.push_back(returns.highest(i));
    found.ranges.push_back(returns.range(i));
  }
  Comparison out = comparison(tabular, options_.ties, found);
  std::ranges::copy(returns.uncertain(), std::back_inserter(out.degenerate));
  std::ranges::copy(returns.uncertain_optima(), std::back_inserter(out.degenerate));
  return out;
}

}  // namespace saffron::plugins
