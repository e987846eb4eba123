#include "observations.h"

#include "sampled_returns.h"

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

// The regret of one environment's rewards.
class Regrets {
 public:
  Regrets(const TabularWorld& world, const PolicyReturns& returns, const Observing& how,
          std::int64_t member)
      : returns_(returns), pessimistic_(how.pessimistic) {
    if (!how.episodes) return;
    sampled_.emplace(world);
    random_ = how.episodes->fork(static_cast<std::uint64_t>(member));
    for (std::int64_t i = 0; i < returns.rewards(); ++i) {
      best_.push_back(actions(world, returns.best(i)));
      worst_.push_back(actions(world, returns.worst(i)));
    }
  }

  // Of going by reward j where reward i counts.
  [[nodiscard]] double operator()(std::int64_t i, std::int64_t j) const {
    if (sampled_) return sampled(i, j);
    const PolicyReturns::Regret regret = returns_.regret(i, j);
    return pessimistic_ ? regret.pessimistic : regret.optimistic;
  }

 private:
  // Of each state of the world; what policies do not reach does not matter.
  std::vector<std::int64_t> actions(const TabularWorld& world, const rewards::Plan& plan) const {
    std::vector<std::int64_t> out(static_cast<std::size_t>(world.transitions().states), 0);
    const std::int64_t* state = returns_.planner().states().const_data_ptr<std::int64_t>();
    for (std::size_t n = 0; n < plan.actions.size(); ++n) {
      out[static_cast<std::size_t>(state[n])] = plan.actions[n];
    }
    return out;
  }
  // Three estimates from episodes of their own: it may fall below 0.
  [[nodiscard]] double sampled(std::int64_t i, std::int64_t j) const {
    const auto J = [&](const std::vector<std::int64_t>& policy, const char* of) {
      return sampled_->returns(
          i, policy, random_.fork(of).fork(static_cast<std::uint64_t>(i * returns_.rewards() + j)));
    };
    const double most = J(best_[static_cast<std::size_t>(i)], "best");
    const double range = most - J(worst_[static_cast<std::size_t>(i)], "worst");
    // Where no episode met a reward, the published experiment divides by 1.
    return (most - J(best_[static_cast<std::size_t>(j)], "followed")) / (range == 0 ? 1 : range);
  }

  const PolicyReturns& returns_;
  bool pessimistic_;
  std::optional<SampledReturns> sampled_;
  Random random_{0};
  std::vector<std::vector<std::int64_t>> best_, worst_;
};

Observation observation(const PolicyReturns& returns, const Regrets& regret,
                        const std::vector<rewards::Distances>& distances, std::int64_t i,
                        std::int64_t j) {
  Observation out;
  out.first = i;
  out.second = j;
  out.regret = (regret(i, j) + regret(j, i)) / 2;
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
                                                              const Observing& how,
                                                              std::int64_t member) {
  const TabularWorld& tabular =
      rewards::dense_tabular(world, "regret_correlation", "dense transitions");
  const std::vector<std::string>& names = world.info().rewards;
  const PolicyReturns returns(tabular, names);
  const at::Tensor largest =
      rewards::expected_rewards(tabular.transitions().dense, tabular.rewards()).abs().amax({1, 2});
  const auto near_trivial = [&](std::int64_t i) {
    return returns.trivial(i) || returns.range(i) < how.near_trivial * largest[i].item<double>();
  };
  std::pair<std::vector<Observation>, std::int64_t> out;
  const Regrets regrets(tabular, returns, how, member);
  std::vector<rewards::Distances> distances;
  for (std::int64_t i = 0; i < (how.with_first_alone ? 1 : returns.rewards()); ++i) {
    for (std::int64_t j = i + 1; j < returns.rewards(); ++j) {
      if (near_trivial(i) || near_trivial(j)) {
        ++out.second;
        continue;
      }
      if (distances.empty()) distances = distances_of(tabular, names, how);
      out.first.push_back(observation(returns, regrets, distances, i, j));
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
      here =
          family == nullptr ? observe_one(world, how, i) : observe_one(*family->member(i), how, i);
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
