#pragma once

#include "testing/driver.h"

#include <saffron/random.h>
#include <saffron/world.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// The toy worlds with other rewards, in another layout, or sparse: what comparators are tried on.
// And everything that one can read of a world.

namespace saffron::testing {

// The tabular, the sampled and the preference one.
[[nodiscard]] std::vector<std::shared_ptr<World>> toy_worlds(std::uint64_t seed = 1);

// What is done to a reward that some distances do not see.
enum class Change : std::uint8_t {
  none,
  scaled,        // c R, c > 0
  shaped,        // R + gamma Phi(s') - Phi(s); of a bandit, an offset for each prompt
  redistributed  // R + X with sum_s' tau(s' | s, a) X(s, a, s') = 0
};

struct MadeReward {
  std::string name;
  std::int64_t of = 0;  // which of the toy's
  Change change = Change::none;
};

// The environment of `toy` with these rewards; nullptr where a change means nothing in it.
[[nodiscard]] std::shared_ptr<World> with_rewards(const std::shared_ptr<const World>& toy,
                                                  const std::vector<MadeReward>& rewards,
                                                  const Random& random);

// The world with every tensor that it holds replaced by each(name, tensor).
[[nodiscard]] std::shared_ptr<World> with_tensors(
    const std::shared_ptr<const World>& toy,
    const std::function<at::Tensor(const std::string&, const at::Tensor&)>& each);

// A tabular world with the same transitions over their support.
[[nodiscard]] std::shared_ptr<World> sparse_copy(const World& tabular);

// Whatever can be read: names, tables, and each reward on the transitions there are.
[[nodiscard]] Observed read_all(const World& world);

}  // namespace saffron::testing
