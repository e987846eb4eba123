#pragma once

#include "tests/plugins/comparators/tabular_testing.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/masked_select.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/topk.h>

// Worlds with sparse transitions: of dense ones, and large ones whose solution is known.

namespace saffron::testing {

// The same world, its transitions over their support only.
inline MemoryWorld sparse(const MemoryWorld& world) {
  MemoryWorld out = world;
  const at::Tensor& tau = world.transitions_.dense;
  const at::Tensor possible = tau > 0;
  const at::Tensor counts = possible.sum(-1).view({-1});
  out.transitions_.offsets = at::zeros({counts.size(0) + 1}, at::kLong);
  out.transitions_.offsets.slice(0, 1).copy_(counts.cumsum(0));
  out.transitions_.successors = at::nonzero(possible).select(1, 2).contiguous();
  out.transitions_.probabilities = tau.masked_select(possible);
  std::vector<at::Tensor> rewards;
  for (std::int64_t i = 0; i < world.rewards_.size(0); ++i) {
    rewards.push_back(world.rewards_[i].masked_select(possible));
  }
  out.rewards_ = at::stack(rewards);
  out.transitions_.dense.reset();
  return out;
}

// A few successors each, drawn at random; state 0 leads on from everywhere.
inline at::Tensor few_successors(RandomWorlds& random, std::int64_t S, std::int64_t A,
                                 std::int64_t successors) {
  const at::Tensor score = random.normal({S, A, S});
  const at::Tensor least = std::get<0>(score.topk(successors, -1)).slice(-1, successors - 1);
  at::Tensor tau = random.normal({S, A, S}).exp() * (score >= least);
  return tau / tau.sum(-1, true);
}

// A ring of S states, on which action 0 leads to the right and action 1 to the left; rewards [S, 2] of
// the action taken, one entry a transition.
inline MemoryWorld ring(std::int64_t S, double gamma,
                        const std::vector<std::pair<std::string, at::Tensor>>& rewards) {
  const at::Tensor tau = at::ones({1, 2, 1}, at::kDouble) / 2;
  std::vector<std::pair<std::string, at::Tensor>> none;
  for (const auto& [name, r] : rewards) none.emplace_back(name, r.reshape({-1}));
  MemoryWorld out(tau, uniform({S}), gamma, none);
  out.transitions_ = {};
  out.transitions_.states = S;
  out.transitions_.actions = 2;
  out.transitions_.offsets = at::arange(2 * S + 1, at::kLong);
  const at::Tensor s = at::arange(S, at::kLong);
  out.transitions_.successors =
      at::stack({(s + 1).remainder(S), (s + S - 1).remainder(S)}, 1).view(-1);
  out.transitions_.probabilities = at::ones({2 * S}, at::kDouble);
  out.policy_ = uniform({S, 2});
  out.D_S = uniform({S});
  out.D_A = uniform({2});
  out.terminal_ = at::zeros({S}, at::kBool);
  return out;
}

}  // namespace saffron::testing
