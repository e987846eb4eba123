#pragma once

#include <saffron/random.h>
#include <saffron/reward_metrics.h>
#include <saffron/world.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace saffron::plugins {

// Two rewards of one environment.
struct Observation {
  std::int64_t member = 0, environment = 0;
  std::int64_t first = 0, second = 0;  // their numbers
  double regret = 0, w12 = 0, w21 = 0;
  [[nodiscard]] double w() const { return (w12 + w21) / 2; }
  std::vector<double> distances;  // as Observations::keys; NaN where undefined
};

struct Observations {
  std::vector<std::string> keys;  // "VAL/2-2", ..., "span"
  std::vector<Observation> rows;
  std::int64_t left_out = 0;  // pairs of which a reward is nearly trivial
};

struct Observing {
  std::vector<const rewards::Canonicaliser*> by;
  bool with_first_alone = false;  // pairs of the first reward with each other
  bool pessimistic = true;
  std::optional<Random> episodes;  // of sampled regret; none: exact
  double near_trivial = 0;
};

// All pairs of all members, several threads sharing the members.
[[nodiscard]] Observations observe(const World& world, const Observing& how);

}  // namespace saffron::plugins
