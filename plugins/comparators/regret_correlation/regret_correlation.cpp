#include "regret_correlation.h"

#include "observations.h"
#include "report.h"
#include "statistics.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace saffron::plugins {
namespace {

// The mean over members of a number of each pair.
template <class Number>
PairMatrix means(const Observations& observations, std::size_t rewards, const char* key,
                 const char* definition, Number number) {
  const auto R = static_cast<std::int64_t>(rewards);
  const at::Tensor sum = at::zeros({R, R}, at::kDouble), count = at::zeros({R, R}, at::kDouble);
  double *sums = sum.mutable_data_ptr<double>(), *counts = count.mutable_data_ptr<double>();
  for (const Observation& row : observations.rows) {
    for (const std::int64_t at : {row.first * R + row.second, row.second * R + row.first}) {
      sums[at] += number(row);
      counts[at] += 1;
    }
  }
  PairMatrix out{.key = key,
                 .values = sum / count,
                 .reasons = std::vector<std::string>(rewards * rewards),
                 .definition = definition};
  for (std::int64_t i = 0; i < R; ++i) out.values[i][i] = 0;
  const double* value = out.values.const_data_ptr<double>();
  for (std::size_t at = 0; at < out.reasons.size(); ++at) {
    if (std::isnan(value[at])) out.reasons[at] = "left out, or one of the two nearly trivial";
  }
  return out;
}

Certificate certificate(const std::string& key) {
  Certificate out;
  out.metric = key;
  out.needs = {"transitions", "mu0"};
  out.high = 1;
  out.covers = "the environments that were drawn, on average";
  out.caveat = "A mean bounds no regret of one environment.";
  return out;
}

}  // namespace

std::vector<Child<Comparator>> RegretCorrelation::canonicalisers() {
  std::vector<Child<Comparator>> out;
  for (const char* name :
       {"none", "epic", "dard", "minimal_potential", "val_potential", "val", "minimal"}) {
    out.emplace_back(name);
  }
  return out;
}

Schema<RegretCorrelation::Options> RegretCorrelation::schema() {
  return Schema<Options>{}
      .param("of", &Options::of,
             "comparators that measure between canonical forms, with the distances in `pairs`",
             not_empty())
      .param("pairs", &Options::pairs,
             "\"all\" pairs of an environment's rewards, or those of its \"first\" with each other",
             one_of({"all", "first"}))
      .param("ties", &Options::ties,
             "among several optimal policies, the \"pessimistic\" or the \"optimistic\" choice",
             one_of({"pessimistic", "optimistic"}))
      .param(
          "returns", &Options::returns,
          "\"exact\" regret, or \"sampled\": of returns of drawn episodes, A from each state, as "
          "published; worst-case regret is exact",
          one_of({"exact", "sampled"}))
      .param("near_trivial", &Options::near_trivial,
             "pairs are left out of which a reward has max J - min J below this times its largest "
             "expected reward: their regret would be 0 / 0",
             non_negative());
}

Comparison RegretCorrelation::compare(const World& world) {
  Observing how{.by = {},
                .with_first_alone = options_.pairs == "first",
                .pessimistic = options_.ties == "pessimistic",
                .episodes = options_.returns == "sampled" ? std::optional(episodes_) : std::nullopt,
                .near_trivial = options_.near_trivial};
  for (std::size_t i = 0; i < options_.of.size(); ++i) {
    how.by.push_back(dynamic_cast<const rewards::Canonicaliser*>(options_.of[i].get()));
    if (how.by.back() != nullptr) continue;
    throw Error(cat("of[", i, "] has no canonical form to measure between"))
        .with_help(
            "val, minimal, epic, dard, val_potential, minimal_potential and none have; span "
            "and regret are always there");
  }
  const Observations observations = observe(world, how);
  const std::size_t rewards = world.info().rewards.size();
  Comparison out;
  out.metrics.push_back(means(observations, rewards, "regret", "mean of (regret1 + regret2) / 2",
                              [](const Observation& row) { return row.regret; }));
  out.metrics.push_back(means(observations, rewards, "w", "mean of (w12 + w21) / 2",
                              [](const Observation& row) { return row.w(); }));
  for (const PairMatrix& matrix : out.metrics) out.certificates.push_back(certificate(matrix.key));
  const std::vector<Statistics> found = statistics(observations);
  out.report.metrics = correlation_metrics(found);
  out.report.blocks = correlation_blocks(observations, found);
  return out;
}

}  // namespace saffron::plugins
