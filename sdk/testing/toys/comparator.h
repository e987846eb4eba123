#pragma once

#include <saffron/comparator.h>

#include <memory>

namespace saffron::testing {

// Distances "2-2" between tabular rewards as they are.
[[nodiscard]] std::shared_ptr<Comparator> toy_comparator();

}  // namespace saffron::testing
