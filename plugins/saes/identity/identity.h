#pragma once

#include <saffron/component_sae.h>

namespace saffron::plugins {

// The neurons themselves as a dictionary: E = D = I and b_dec = 0 of component_sae.h. Reconstructs exactly
// (signs = rectified, the neuron basis of Cunningham et al. 2023, keeps the positive part alone).
class Identity final : public ComponentSae {
 public:
  struct Options {
    ComponentOptions components;
  };
  static Schema<Options> schema();

  explicit Identity(const Options& options) : ComponentSae("identity", options.components) {}

 protected:
  [[nodiscard]] std::int64_t components(std::int64_t d) const override { return d; }
  void initialise_own(const InitInput& init) override;
};

}  // namespace saffron::plugins
