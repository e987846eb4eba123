#include "regret_correlation.h"

#include "observations.h"
#include "report.h"
#include "statistics.h"

#include <saffron/error.h>

#include <ATen/ops/full.h>

#include <cmath>
#include <limits>

namespace saffron::plugins {
namespace {

constexpr const char* kOthers =
    "pairs of the first reward with another are compared, where neither is nearly trivial";

// The mean over environments of a number of each pair.
PairMatrix means(const Observations& observations, std::size_t rewards, const char* key,
                 const char* definition, double Observation::* member) {
  const auto R = static_cast<std::int64_t>(rewards);
  PairMatrix out{.key = key,
                 .values = at::full({R, R}, std::numeric_limits<double>::quiet_NaN(), at::kDouble),
                 .reasons = std::vector<std::string>(rewards * rewards, kOthers),
                 .definition = definition};
  std::vector<double> sum(rewards), count(rewards);
  for (const Observation& row : observations.rows) {
    sum[static_cast<std::size_t>(row.reward)] += row.*member;
    count[static_cast<std::size_t>(row.reward)] += 1;
  }
  for (std::size_t i = 0; i < rewards; ++i) {
    out.values[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(i)] = 0;
    out.reasons[i * rewards + i].clear();
    if (count[i] == 0) continue;
    const double mean = sum[i] / count[i];
    for (const std::size_t at : {i, i * rewards}) {
      out.values.view(-1)[static_cast<std::int64_t>(at)] = mean;
      out.reasons[at].clear();
    }
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
      .param("ties", &Options::ties,
             "among several optimal policies, the \"pessimistic\" or the \"optimistic\" choice",
             one_of({"pessimistic", "optimistic"}))
      .param("near_trivial", &Options::near_trivial,
             "pairs are left out of which a reward has max J - min J below this times its largest "
             "expected reward: their regret would be 0 / 0",
             non_negative());
}

Comparison RegretCorrelation::compare(const World& world) {
  Observing how{.by = {},
                .pessimistic = options_.ties == "pessimistic",
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
                              &Observation::regret));
  out.metrics.push_back(
      means(observations, rewards, "w", "mean of (w12 + w21) / 2", &Observation::w));
  for (const PairMatrix& matrix : out.metrics) out.certificates.push_back(certificate(matrix.key));
  const std::vector<Statistics> found = statistics(observations);
  out.report.metrics = correlation_metrics(found);
  out.report.blocks = correlation_blocks(observations, found);
  return out;
}

}  // namespace saffron::plugins
