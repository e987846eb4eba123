#include "observations.h"

#include <saffron/error.h>
#include <saffron/reward_planning.h>
#include <saffron/world_family.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>

#include <memory>
#include <utility>

namespace saffron::plugins {
namespace {

using rewards::PolicyReturns;

std::vector<rewards::Distances> distances_of(const TabularWorld& world,
                                             const std::vector<std::string>& names,
                                             const Observing& how) {
  std::vector<rewards::Distances> out;
  for (const rewards::Canonicaliser* by : how.by) {
    for (rewards::Canonical& form : by->forms(world)) {
      out.emplace_back(world, std::move(form), names, by->measures());
    }
  }
  return out;
}

double regret(const PolicyReturns& returns, std::int64_t i, std::int64_t j, bool pessimistic) {
  const PolicyReturns::Regret regret = returns.regret(i, j);
  return pessimistic ? regret.pessimistic : regret.optimistic;
}

Observation observation(const PolicyReturns& returns,
                        const std::vector<rewards::Distances>& distances, std::int64_t i,
                        std::int64_t j, bool pessimistic) {
  Observation out;
  out.first = i;
  out.second = j;
  out.regret = (regret(returns, i, j, pessimistic) + regret(returns, j, i, pessimistic)) / 2;
  out.w12 = returns.worst_case(i, j).regret;
  out.w21 = returns.worst_case(j, i).regret;
  for (const rewards::Distances& each : distances) {
    const std::vector<double> found = each.between(i, j);
    out.distances.insert(out.distances.end(), found.begin(), found.end());
  }
  out.distances.push_back(returns.span_distance(i, j));
  return out;
}

// Those of one environment, and how many are left out.
std::pair<std::vector<Observation>, std::int64_t> observe_one(const World& world,
                                                              const Observing& how) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "regret_correlation");
  const std::vector<std::string>& names = world.info().rewards;
  const PolicyReturns returns(tabular, names);
  const at::Tensor largest =
      rewards::expected_rewards(tabular.transitions().dense, tabular.rewards()).abs().amax({1, 2});
  const auto near_trivial = [&](std::int64_t i) {
    return returns.trivial(i) || returns.range(i) < how.near_trivial * largest[i].item<double>();
  };
  std::pair<std::vector<Observation>, std::int64_t> out;
  std::vector<rewards::Distances> distances;
  for (std::int64_t i = 0; i < (how.with_first_alone ? 1 : returns.rewards()); ++i) {
    for (std::int64_t j = i + 1; j < returns.rewards(); ++j) {
      if (near_trivial(i) || near_trivial(j)) {
        ++out.second;
        continue;
      }
      if (distances.empty()) distances = distances_of(tabular, names, how);
      out.first.push_back(observation(returns, distances, i, j, how.pessimistic));
    }
  }
  return out;
}

std::vector<std::string> keys_of(const World& world, const Observing& how) {
  std::vector<std::string> out;
  const TabularWorld& tabular = rewards::dense_tabular(world, "regret_correlation");
  for (const rewards::Canonicaliser* by : how.by) {
    for (const rewards::Canonical& form : by->forms(tabular)) {
      for (const rewards::Measure& measure : by->measures()) {
        out.push_back(form.name + "/" + measure.text());
      }
    }
  }
  out.emplace_back("span");
  return out;
}

}  // namespace

Observations observe(const World& world, const Observing& how) {
  const auto* family = dynamic_cast<const WorldFamily*>(&world);
  const std::int64_t members = family == nullptr ? 1 : family->members();
  std::vector<std::pair<std::vector<Observation>, std::int64_t>> found(
      static_cast<std::size_t>(members));
  at::parallel_for(0, members, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      auto& here = found[static_cast<std::size_t>(i)];
      here = family == nullptr ? observe_one(world, how) : observe_one(*family->member(i), how);
      for (Observation& row : here.first) {
        row.member = i;
        row.environment = family == nullptr ? 0 : family->environment(i);
      }
    }
  });
  Observations out;
  out.keys = keys_of(world, how);
  for (auto& [rows, left_out] : found) {
    std::move(rows.begin(), rows.end(), std::back_inserter(out.rows));
    out.left_out += left_out;
  }
  return out;
}

}  // namespace saffron::plugins
