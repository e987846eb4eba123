#pragma once

#include <saffron/comparator.h>

#include <memory>
#include <vector>

namespace saffron::testing {

struct Compared {
  std::shared_ptr<World> world;
  Comparison comparison;
};

// The first of these worlds that the comparator does not refuse with Error (invalid), and what it
// says of it. Skips the check where it refuses them all.
[[nodiscard]] Compared compare_first(Comparator& comparator,
                                     const std::vector<std::shared_ptr<World>>& worlds);

}  // namespace saffron::testing
