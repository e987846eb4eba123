#pragma once

#include <saffron/properties.h>

#include <string>
#include <vector>

namespace saffron::testing {

// What a component declares to have gradients that are no derivatives.
template <class Component>
std::vector<std::string> pseudo_gradients(const Component& component) {
  const auto* declares = dynamic_cast<const PseudoGradients*>(&component);
  return declares == nullptr ? std::vector<std::string>() : declares->pseudo_gradients();
}

}  // namespace saffron::testing
