#pragma once

#include <saffron/reward_metrics.h>
#include <saffron/world.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Reward 1 and another reward of one environment.
struct Observation {
  std::int64_t environment = 0, reward = 0;  // reward 2's number
  double regret = 0, w12 = 0, w = 0;
  std::vector<double> distances;  // as Observations::keys; NaN where undefined
};

struct Observations {
  std::vector<std::string> keys;  // "VAL/2-2", ..., "span"
  std::vector<Observation> rows;
  std::int64_t left_out = 0;  // pairs of which a reward is nearly trivial
};

struct Observing {
  std::vector<const rewards::Canonicaliser*> by;
  bool pessimistic = true;
  double near_trivial = 0;
};

// All pairs of all members, several threads sharing the members.
[[nodiscard]] Observations observe(const World& world, const Observing& how);

}  // namespace saffron::plugins
