#include "span.h"

#include <saffron/error.h>
#include <saffron/regret_words.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>
#include <saffron/reward_sparse.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <iterator>

namespace saffron::plugins {
namespace {

using rewards::PolicyReturns;
using WorstCase = PolicyReturns::WorstCase;

Certificate certify(std::string metric, const TabularWorld& world) {
  Certificate out;
  out.metric = std::move(metric);
  out.needs = {"transitions", "mu0"};
  out.invariant_to = {"positive scaling", "S'-redistribution"};
  rewards::claim_shaping(world, rewards::Shaping::ending, out);
  out.covers = "all policies of this MDP";
  out.high = 1;
  return out;
}

// What either way of planning has found, and how far it may be off: 0 where planning is exact.
struct Found {
  const std::vector<std::string>& names;
  std::vector<std::string> trivial = {};
  std::vector<double> ranges = {};
  at::Tensor spans = {};              // [R, R]
  std::vector<WorstCase> cases = {};  // R * R, row-major
  double span_error = 0, error = 0;
};

void say_error(double error, Certificate& out) {
  if (error > 0) {
    rewards::add_caveat(out, cat("Planned by iteration: values are right to within ", error, "."));
  }
}

void add_span(const TabularWorld& world, const Found& found, Comparison& out) {
  out.metrics.push_back({.key = "span",
                         .values = found.spans,
                         .reasons = {},
                         .definition = "range(R1 / range(R1) - R2 / range(R2)), range(R) = max J - "
                                       "min J over policies"});
  Certificate c = certify("span", world);
  c.high = 2;
  c.pseudometric = c.sound = c.complete = true;
  c.U = 1;
  c.L = 0.5;
  rewards::except_trivial(found.trivial, c);
  say_error(found.span_error, c);
  out.certificates.push_back(std::move(c));
}

void add_worst_case(const TabularWorld& world, const Found& found, bool forward, Comparison& out) {
  const auto count = static_cast<std::int64_t>(found.names.size());
  PairMatrix matrix{
      .key = forward ? "w12" : "w21",
      .values = at::zeros({count, count}, at::kDouble),
      .definition = forward ? "max { J1(pi) - J1(pi') : J2(pi') >= J2(pi) } / (max J1 - min J1)"
                            : "max { J2(pi) - J2(pi') : J1(pi') >= J1(pi) } / (max J2 - min J2)"};
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t at = forward ? i * count + j : j * count + i;
      matrix.values[i][j] = found.cases[static_cast<std::size_t>(at)].regret;
    }
  }
  Certificate c = certify(matrix.key, world);
  out.metrics.push_back(std::move(matrix));
  if (forward) {
    c.sound = c.complete = true;
    c.U = c.L = 1;
  } else {
    c.caveat =
        "It bounds the regret of going by reward 1 where reward 2 counts, and w12 <= 2 w21 "
        "only where neither reward is trivial.";
  }
  say_error(found.error, c);
  out.certificates.push_back(std::move(c));
}

// ---- the report ---------------------------------------------------------------------------------

TableBlock::Column column(const char* name, const char* doc) { return {name, "", doc}; }

Block plans_block(const Found& found) {
  TableBlock table;
  table.columns = {
      column("counts", "reward 1"),
      column("followed", "reward 2"),
      column("w12", "worst-case regret, a share of the range"),
      column("lambda", "for which range(R1 - lambda R2) is least: it is then w12 times range(R1)"),
      column("loss", "w12 as a difference of J1"),
      column("range", "max J1 - min J1"),
      column("plans", "planning problems that were solved for it")};
  std::size_t at = 0;
  for (std::size_t i = 0; i < found.names.size(); ++i) {
    for (std::size_t j = 0; j < found.names.size(); ++j, ++at) {
      if (i == j) continue;
      const WorstCase& worst = found.cases[at];
      table.rows.push_back({Value(found.names[i]), Value(found.names[j]), Value(worst.regret),
                            worst.lambda ? Value(*worst.lambda) : Value(),
                            Value(worst.regret * found.ranges[i]), Value(found.ranges[i]),
                            Value(std::int64_t{2} * worst.evaluations)});
    }
  }
  return {.title = "Worst-case regret",
          .caption = "What one may lose of the reward that counts by following another.",
          .body = std::move(table)};
}

// w12, or else its bound, span.
double most_regret(const Found& found, std::int64_t i, std::int64_t j) {
  const auto count = static_cast<std::int64_t>(found.names.size());
  if (found.cases.empty()) return found.spans[i][j].item<double>() + found.span_error;
  return found.cases[static_cast<std::size_t>(i * count + j)].regret + found.error;
}

Block words_block(const Found& found) {
  TableBlock table;
  table.columns = {column("what is certain", "")};
  const auto count = static_cast<std::int64_t>(found.names.size());
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < count; ++j) {
      if (i == j) continue;
      const double regret = std::min(1.0, most_regret(found, i, j));
      const std::string &counts = found.names[static_cast<std::size_t>(i)],
                        &followed = found.names[static_cast<std::size_t>(j)];
      table.rows.push_back({Value(rewards::regret_in_words(counts, followed, regret))});
    }
  }
  return {.title = "In words",
          .caption = cat("Of all policies of this MDP, and of no other world.",
                         found.cases.empty() ? " By span, which w12 never exceeds." : ""),
          .body = std::move(table)};
}

// "1", or "0: 0.25, 2: 0.75"; "" in a state that is not reached.
std::string actions(const at::Tensor& row) {
  std::string out;
  for (std::int64_t a = 0; a < row.size(0); ++a) {
    const double p = row[a].item<double>();
    if (p == 0) continue;
    out += (out.empty() ? "" : ", ") + std::to_string(a);
    if (p < 1) out += ": " + rewards::short_number(p);
  }
  return out;
}

Block policies_block(const PolicyReturns& returns, const std::vector<WorstCase>& cases,
                     std::int64_t most) {
  TableBlock table;
  table.columns = {column("counts", "reward 1"), column("followed", "reward 2"),
                   column("state", "where the two policies differ"),
                   column("forgone", "pi: the action, or several with their probabilities"),
                   column("followed instead", "pi', no worse than pi by reward 2")};
  std::size_t at = 0;
  for (std::int64_t i = 0; i < returns.rewards(); ++i) {
    for (std::int64_t j = 0; j < returns.rewards(); ++j, ++at) {
      const WorstCase& worst = cases[at];
      if (worst.regret <= rewards::kZero || !worst.better.defined()) continue;
      std::int64_t shown = 0;
      for (std::int64_t s = 0; s < worst.better.size(0) && shown < most; ++s) {
        const std::string pi = actions(worst.better[s]), instead = actions(worst.followed[s]);
        if (pi == instead) continue;
        table.rows.push_back({Value(returns.names()[static_cast<std::size_t>(i)]),
                              Value(returns.names()[static_cast<std::size_t>(j)]),
                              Value(returns.planner().states()[s].item<std::int64_t>()), Value(pi),
                              Value(instead)});
        ++shown;
      }
    }
  }
  return {.title = "Policies that attain it",
          .caption = cat("Up to ", most,
                         " states a pair in which the two policies differ; blank "
                         "where a policy does not go."),
          .body = std::move(table)};
}

Comparison comparison(const TabularWorld& world, const Span::Options& options, const Found& found) {
  Comparison out;
  for (const std::string& name : options.metrics) {
    if (name == "span") {
      add_span(world, found, out);
    } else {
      add_worst_case(world, found, name == "w12", out);
    }
  }
  out.report.blocks.push_back(words_block(found));
  if (!found.cases.empty()) out.report.blocks.push_back(plans_block(found));
  for (const std::string& name : found.trivial) {
    out.degenerate.push_back(cat("reward '", name, "' ", rewards::kTrivial));
  }
  return out;
}

}  // namespace

Schema<Span::Options> Span::schema() {
  return Schema<Options>{}
      .param("metrics", &Options::metrics,
             "\"span\", the span distance; \"w12\" and \"w21\", exact worst-case regret, about "
             "seven times the work",
             one_of({"span", "w12", "w21"}))
      .param("states", &Options::states,
             "how many states a pair the report shows of policies that attain w12", at_least(0))
      .check([](const Options& o) { return rewards::check_distinct("metrics", o.metrics); });
}

void Span::check(const World& world) const { (void)rewards::tabular(world, "span"); }

Comparison Span::compare(const World& world) {
  const TabularWorld& tabular = rewards::tabular(world, "span");
  if (tabular.transitions().sparse()) return compare_sparse(tabular, world.info().rewards);
  const PolicyReturns returns(tabular, world.info().rewards);
  Found found{.names = returns.names(), .trivial = returns.trivial()};
  for (std::int64_t i = 0; i < returns.rewards(); ++i) found.ranges.push_back(returns.range(i));
  if (wants_span()) found.spans = returns.span_distances();
  if (wants_regret()) found.cases = returns.worst_cases();
  Comparison out = comparison(tabular, options_, found);
  std::ranges::copy(returns.uncertain(), std::back_inserter(out.degenerate));
  if (wants_regret() && options_.states > 0) {
    out.report.blocks.push_back(policies_block(returns, found.cases, options_.states));
  }
  return out;
}

Comparison Span::compare_sparse(const TabularWorld& world,
                                const std::vector<std::string>& names) const {
  const rewards::SparseReturns returns(world, names);
  const std::int64_t count = returns.rewards();
  Found found{.names = returns.names(), .trivial = returns.trivial()};
  for (std::int64_t i = 0; i < count; ++i) found.ranges.push_back(returns.range(i).value);
  if (wants_span()) {
    found.spans = at::zeros({count, count}, at::kDouble);
    double* to = found.spans.mutable_data_ptr<double>();
    for (const rewards::Bounded& d : returns.span_distances()) {
      *to++ = d.value;
      found.span_error = std::max(found.span_error, d.error);
    }
  }
  if (wants_regret()) {
    for (const rewards::SparseReturns::WorstCase& w : returns.worst_cases()) {
      found.cases.push_back(
          {.regret = w.regret.value, .lambda = w.lambda, .evaluations = w.evaluations});
      found.error = std::max(found.error, w.regret.error);
    }
  }
  Comparison out = comparison(world, options_, found);
  std::ranges::copy(returns.uncertain(), std::back_inserter(out.degenerate));
  out.report.blocks.push_back(rewards::solver_block(returns.solved()));
  return out;
}

bool Span::wants_span() const { return wants("span"); }
bool Span::wants_regret() const { return wants("w12") || wants("w21"); }
bool Span::wants(std::string_view metric) const {
  return std::ranges::find(options_.metrics, metric) != options_.metrics.end();
}

}  // namespace saffron::plugins
