#include "testing/checks/comparator.h"

#include "testing/checks/groups.h"
#include "testing/drivers/worlds.h"
#include "testing/made.h"

#include <cmath>
#include <set>

namespace saffron::testing {

CompareBench::CompareBench(const Subject& subject) : subject_(subject) {
  first_ = compare_first(*made<Comparator>(subject), toy_worlds(subject.nth(1)));
}

std::int64_t CompareBench::reward(const std::string& name) const {
  return std::find(names().begin(), names().end(), name) - names().begin();
}

Comparison CompareBench::compare(const World& world) const {
  return subject_.make<Comparator>()->compare(world);
}

Distances::Distances(const PairMatrix& metric, const Certificate* certificate)
    : key_(metric.key),
      certificate_(certificate),
      size_(static_cast<std::size_t>(metric.values.size(0))) {
  const at::Tensor values = metric.values.to(at::kCPU, at::kDouble).contiguous();
  values_.assign(values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel());
  double largest = 1;
  for (const double value : values_) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  tolerance_ = kDistanceTolerance * largest;
}

bool Distances::same(double x, double y) const {
  return x == y || std::abs(x - y) <= tolerance_ || (std::isnan(x) && std::isnan(y));
}

std::vector<Distances> distances_of(const Comparison& comparison, std::size_t rewards) {
  const auto R = static_cast<std::int64_t>(rewards);
  std::vector<Distances> out;
  for (const PairMatrix& metric : comparison.metrics) {
    if (!metric.values.defined() || metric.values.sizes() != at::IntArrayRef({R, R})) continue;
    const auto found = std::find_if(comparison.certificates.begin(), comparison.certificates.end(),
                                    [&](const Certificate& c) { return c.metric == metric.key; });
    out.emplace_back(metric, found == comparison.certificates.end() ? nullptr : &*found);
  }
  return out;
}

namespace {

Verdict matrix_shape(const Subject& subject) {
  const CompareBench bench(subject);
  const auto R = static_cast<std::int64_t>(bench.names().size());
  if (bench.found().metrics.empty()) fail("compares nothing: there are no metrics");
  for (const PairMatrix& metric : bench.found().metrics) {
    if (metric.values.defined() && metric.values.sizes() == at::IntArrayRef({R, R}) &&
        metric.values.scalar_type() == at::kDouble) {
      continue;
    }
    fail(cat(metric.key, " is ", describe(metric.values), ", not float64 [", R, ", ", R, "]"));
  }
  return {};
}

Verdict metric_keys(const Subject& subject) {
  const CompareBench bench(subject);
  std::set<std::string> seen;
  for (const PairMatrix& metric : bench.found().metrics) {
    if (metric.key.empty()) fail("a metric has no key");
    if (metric.definition.empty()) fail(cat(metric.key, " has no definition"));
    if (!seen.insert(metric.key).second) fail(cat("two metrics are ", metric.key));
  }
  return {};
}

Verdict certificates_fit(const Subject& subject) {
  const CompareBench bench(subject);
  const std::vector<PairMatrix>& metrics = bench.found().metrics;
  for (const Certificate& c : bench.found().certificates) {
    if (std::none_of(metrics.begin(), metrics.end(),
                     [&](const PairMatrix& metric) { return metric.key == c.metric; })) {
      fail(cat("a certificate speaks of '", c.metric, "', which is no metric here"));
    }
  }
  return {};
}

Verdict every_metric_certified(const Subject& subject) {
  const CompareBench bench(subject);
  for (const Distances& d : distances_of(bench.found(), bench.names().size())) {
    if (d.certificate() == nullptr) warn(cat(d.key(), " has no certificate"));
  }
  return {};
}

Verdict undefined_has_reason(const Subject& subject) {
  const CompareBench bench(subject);
  const std::vector<std::string>& names = bench.names();
  for (const PairMatrix& metric : bench.found().metrics) {
    const std::size_t reasons = metric.reasons.size();
    if (reasons != 0 && reasons != names.size() * names.size()) {
      fail(cat(metric.key, " has ", reasons, " reasons for ", names.size(), " x ", names.size(),
               " cells"));
    }
  }
  for (const Distances& d : distances_of(bench.found(), names.size())) {
    const auto& metric = *std::find_if(bench.found().metrics.begin(), bench.found().metrics.end(),
                                       [&](const PairMatrix& m) { return m.key == d.key(); });
    for (std::size_t a = 0; a < d.size(); ++a) {
      for (std::size_t b = 0; b < d.size(); ++b) {
        const std::string cell = cat(d.key(), " of '", names[a], "' and '", names[b], "'");
        const bool reasoned =
            !metric.reasons.empty() && !metric.reasons[a * names.size() + b].empty();
        if (std::isinf(d(a, b))) fail(cat(cell, " is infinite; undefined is NaN and a reason"));
        if (std::isnan(d(a, b)) && !reasoned) fail(cat(cell, " is undefined without a reason"));
        if (!std::isnan(d(a, b)) && reasoned) {
          fail(cat(cell, " is ", d(a, b), " and has a reason to be undefined"));
        }
      }
    }
  }
  return {};
}

// ---- the same question twice -------------------------------------------------------------------

// Compares metric by metric; order[i] is the place in `b` of reward i of `a`.
void check_same(const Comparison& a, const Comparison& b, const std::vector<std::size_t>& order,
                const char* what) {
  const std::vector<Distances> before = distances_of(a, order.size());
  const std::vector<Distances> after = distances_of(b, order.size());
  if (before.size() != after.size()) fail(cat(what, " gives other metrics"));
  for (std::size_t m = 0; m < before.size(); ++m) {
    if (before[m].key() != after[m].key()) fail(cat(what, " gives other metrics"));
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (std::size_t j = 0; j < order.size(); ++j) {
        const double x = before[m](i, j), y = after[m](order[i], order[j]);
        if (before[m].same(x, y)) continue;
        fail(cat(what, " changes ", before[m].key(), " of a pair from ", x, " to ", y));
      }
    }
  }
}

std::vector<std::size_t> in_order(std::size_t count) {
  std::vector<std::size_t> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = i;
  return out;
}

Verdict reward_order_irrelevant(const Subject& subject) {
  need_deterministic(subject);
  const CompareBench bench(subject);
  const std::size_t count = bench.names().size();
  std::vector<MadeReward> rewards(count);
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) {
    order[i] = (i + count - 2) % count;  // the third comes first
    rewards[order[i]] = {bench.names()[i], static_cast<std::int64_t>(i)};
  }
  const Random random = subject.random("order");
  check_same(bench.found(), bench.compare(*with_rewards(bench.world(), rewards, random)), order,
             "another order of the rewards");
  return {};
}

Verdict compare_has_no_memory(const Subject& subject) {
  need_deterministic(subject);
  const CompareBench bench(subject);
  const auto comparator = subject.make<Comparator>();
  static_cast<void>(comparator->compare(
      *with_rewards(bench.world(), {{"other", bench.reward("other")}, {"r", bench.reward("r")}},
                    subject.random("memory"))));
  check_same(bench.found(), comparator->compare(*bench.world()), in_order(bench.names().size()),
             "an earlier comparison");
  check_same(bench.found(), comparator->compare(*bench.world()), in_order(bench.names().size()),
             "the same comparison before");
  return {};
}

Verdict sparse_agrees_with_dense(const Subject& subject) {
  need_deterministic(subject);
  const CompareBench bench(subject);
  if (dynamic_cast<const TabularWorld*>(bench.world().get()) == nullptr) {
    skip("compares in no tabular world");
  }
  Comparison sparse;
  try {
    sparse = bench.compare(*sparse_copy(*bench.world()));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::invalid) throw;
    skip(cat("refuses sparse transitions: ", error.message()));
  }
  check_same(bench.found(), sparse, in_order(bench.names().size()), "sparse transitions");
  return {};
}

class EmptyWorld final : public World {
 public:
  [[nodiscard]] const WorldInfo& info() const override { return info_; }

 private:
  WorldInfo info_ = {.description = "nothing but names", .rewards = {"r", "other"}};
};

Verdict refuses_what_it_lacks(const Subject& subject) {
  const CompareBench bench(subject);
  std::vector<std::shared_ptr<World>> worlds = toy_worlds();
  worlds.push_back(sparse_copy(*worlds.front()));
  worlds.push_back(std::make_shared<EmptyWorld>());
  for (const std::shared_ptr<World>& world : worlds) {
    try {
      static_cast<void>(bench.compare(*world));
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::invalid || error.kind() == ErrorKind::numeric) continue;
      fail(cat("refuses a world (", world->info().description, ") with an error that is not ",
               "`invalid`: ", error.what()));
    } catch (const std::exception& error) {
      fail(cat("refuses a world (", world->info().description,
               ") with no saffron::Error: ", words_of(error)));
    }
    if (world == worlds.back()) fail("compares in a world that has no capability at all");
  }
  return {};
}

constexpr Check kChecks[] = {
    {"matrix-shape", "comparator", "every metric is float64 [R, R], and there is one", 1,
     matrix_shape},
    {"metric-keys", "comparator", "every metric has a key of its own and a definition", 2,
     metric_keys},
    {"certificates-fit", "comparator", "every certificate speaks of a metric that there is", 2,
     certificates_fit},
    {"undefined-has-reason", "comparator",
     "cells are numbers, or NaN with a reason; none is infinite", 3, undefined_has_reason},
    {"identical-runs-tie", "comparator", "declared: d(R, R) = 0, and that of two equal rewards", 3,
     identical_runs_tie},
    {"symmetric", "comparator", "declared: d(R1, R2) = d(R2, R1)", 3, symmetric},
    {"triangle-inequality", "comparator", "declared: d(R1, R3) <= d(R1, R2) + d(R2, R3)", 3,
     triangle_inequality},
    {"range-holds", "comparator", "declared: low <= d <= high", 3, range_holds},
    {"invariances-hold", "comparator", "declared: what it is blind to changes no distance", 3,
     invariances_hold},
    {"bounds-ordered", "comparator", "declared: L <= U, of a complete and a sound distance", 3,
     bounds_ordered},
    {"soundness-holds", "comparator",
     "declared: worst-case regret is at most U d, and 0 where d is", 4, soundness_holds},
    {"completeness-holds", "comparator",
     "declared: worst-case regret is at least L d, and not 0 where d is not", 4,
     completeness_holds},
    {"degenerate-is-reported", "comparator",
     "a reward that is 0 is named, or undefined, where only directions are compared", 4,
     degenerate_is_reported},
    {"degenerate-names-rewards", "comparator", "what is degenerate is said of a reward", 4,
     degenerate_names_rewards},
    {"reward-order-irrelevant", "comparator", "rewards in another order have the same distances", 3,
     reward_order_irrelevant},
    {"compare-has-no-memory", "comparator", "earlier comparisons change no distance", 3,
     compare_has_no_memory},
    {"sparse-agrees-with-dense", "comparator",
     "sparse transitions give the distances that dense ones do", 3, sparse_agrees_with_dense},
    {"refuses-what-it-lacks", "comparator",
     "a world without a capability that it needs is Error (invalid)", 3, refuses_what_it_lacks},
    {"every-metric-certified", "comparator", "every metric has a certificate", 8,
     every_metric_certified},
    {"invariances-known", "comparator", "what it is blind to is spelled as in comparator.h", 8,
     invariances_known},
};

}  // namespace

std::span<const Check> comparator_checks() { return kChecks; }

}  // namespace saffron::testing
