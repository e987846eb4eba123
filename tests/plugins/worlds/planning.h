#pragma once

#include <saffron/world.h>

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

// Planning in a tabular world of either layout, one transition at a time: what worlds are checked by.

namespace saffron::testing {

// each(s, a, s', probability, reward) of every possible transition.
template <class Each>
void for_each_transition(const TabularWorld& world, std::int64_t reward, const Each& each) {
  const Transitions& tau = world.transitions();
  const at::Tensor values = world.rewards()[reward].contiguous();
  const auto* r = values.const_data_ptr<double>();
  const std::int64_t S = tau.states, A = tau.actions;
  for (std::int64_t row = 0; row < S * A; ++row) {
    if (tau.sparse()) {
      const auto* at = tau.offsets.const_data_ptr<std::int64_t>();
      for (std::int64_t i = at[row]; i < at[row + 1]; ++i) {
        each(row / A, row % A, tau.successors.const_data_ptr<std::int64_t>()[i],
             tau.probabilities.const_data_ptr<double>()[i], r[i]);
      }
      continue;
    }
    const auto* p = tau.dense.const_data_ptr<double>() + row * S;
    for (std::int64_t next = 0; next < S; ++next) {
      if (p[next] > 0) each(row / A, row % A, next, p[next], r[row * S + next]);
    }
  }
}

// V* by value iteration, to 1e-13 a sweep.
inline std::vector<double> optimal_values(const TabularWorld& world, std::int64_t reward) {
  const std::int64_t S = world.transitions().states, A = world.transitions().actions;
  std::vector<double> V(static_cast<std::size_t>(S), 0);
  for (double change = 1; change > 1e-13;) {
    std::vector<double> Q(static_cast<std::size_t>(S * A), 0);
    for_each_transition(world, reward,
                        [&](std::int64_t s, std::int64_t a, std::int64_t next, double p, double r) {
                          Q[static_cast<std::size_t>(s * A + a)] +=
                              p * (r + world.gamma() * V[static_cast<std::size_t>(next)]);
                        });
    change = 0;
    for (std::int64_t s = 0; s < S; ++s) {
      const double best = *std::max_element(Q.begin() + s * A, Q.begin() + (s + 1) * A);
      double& v = V[static_cast<std::size_t>(s)];
      change = std::max(change, std::abs(best - v));
      v = best;
    }
  }
  return V;
}

}  // namespace saffron::testing
