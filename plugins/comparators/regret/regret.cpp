#include "regret.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>

namespace saffron::plugins {
namespace {

using rewards::PolicyReturns;

constexpr const char* kRegret1 =
    "(J1(pi_1) - J1(pi_2)) / (max J1 - min J1), pi_i optimal for reward i, ";
constexpr const char* kRegret2 =
    "(J2(pi_2) - J2(pi_1)) / (max J2 - min J2), pi_i optimal for reward i, ";

// Going by reward 2 may lose as much as w12, of which pi_2 is one case: regret1 <= w12, and so, where
// neither reward is trivial, regret2 <= w21 <= 2 w12, and their mean is at most 1.5 w12.
void add(Comparison& out, const TabularWorld& world, const PolicyReturns& returns, std::string key,
         const at::Tensor& values, std::string definition, double L) {
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
  if (L < 1) rewards::except_trivial(returns.trivial(), c);
  out.metrics.push_back({std::move(key), values, {}, std::move(definition)});
  out.certificates.push_back(std::move(c));
}

Block returns_block(const PolicyReturns& returns) {
  TableBlock table;
  table.columns = {{"reward", "", ""},
                   {"max J", "", "the optimal policies' expected return"},
                   {"min J", "", "the worst policies'"},
                   {"range", "", "max J - min J"}};
  for (std::int64_t i = 0; i < returns.rewards(); ++i) {
    table.rows.push_back({Value(returns.names()[static_cast<std::size_t>(i)]),
                          Value(returns.highest(i)), Value(returns.highest(i) - returns.range(i)),
                          Value(returns.range(i))});
  }
  return {.title = "What policies earn",
          .caption = "Regret is a share of the range.",
          .body = std::move(table)};
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

void Regret::check(const World& world) const {
  (void)rewards::dense_tabular(world, "regret", "dense transitions");
}

Comparison Regret::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "regret", "dense transitions");
  const PolicyReturns returns(tabular, world.info().rewards);
  const std::int64_t count = returns.rewards();
  const at::Tensor worst = at::zeros({count, count}, at::kDouble), best = at::zeros_like(worst);
  const auto regrets = returns.regrets();
  for (std::size_t at = 0; at < regrets.size(); ++at) {
    worst.view(-1)[static_cast<std::int64_t>(at)] = regrets[at].pessimistic;
    best.view(-1)[static_cast<std::int64_t>(at)] = regrets[at].optimistic;
  }
  Comparison out;
  for (const std::string& tie : options_.ties) {
    const at::Tensor& values = tie == "pessimistic" ? worst : best;
    const std::string words = cat(tie == "pessimistic" ? "the worst" : "the best",
                                  " of several that rounding cannot tell apart");
    add(out, tabular, returns, "regret1_" + tie, values, kRegret1 + words, 1);
    add(out, tabular, returns, "regret2_" + tie, values.t().contiguous(), kRegret2 + words, 0.5);
    add(out, tabular, returns, "regret_mean_" + tie, (values + values.t()) / 2,
        cat("(regret1_", tie, " + regret2_", tie, ") / 2"), 2.0 / 3);
  }
  out.report.blocks.push_back(returns_block(returns));
  for (const std::string& name : returns.trivial()) {
    out.degenerate.push_back(cat("reward '", name, "' ", rewards::kTrivial));
  }
  return out;
}

}  // namespace saffron::plugins
