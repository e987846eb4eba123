#pragma once

#include "framework/author/inventory.h"

#include <vector>

namespace saffron::host::testing {

// What the components of tests/framework/recipe/fake_catalog.cpp offer: parameters of every type,
// nested components, former names, and a name that two plugins have.
[[nodiscard]] std::vector<Offer> fake_offers();

}  // namespace saffron::host::testing
