#pragma once

#include <saffron/namespace.h>

#include <optional>
#include <string>
#include <vector>

// What a component declares to be true of itself, for every input and with the options that it has.
// The conformance kit (`saffron test-plugin`, testing/conformance.h) holds it to what it declares.
// Other kinds declare elsewhere: an SAE's L0 bound is SaeSpec::max_active, a metric's range is
// Metric::range, what a distance promises is its Certificate.

namespace saffron::inline sdk_v1 {

// R of codes f.
struct PenaltyProperties {
  bool non_negative = false;           // R >= 0
  std::optional<double> scale_degree;  // R(c f) = c^degree R(f) for c > 0
  bool permutation_invariant = false;  // R does not depend on the order of the latents
  std::optional<double> low, high;     // low <= R <= high
};

// Capability of a Regularizer.
class SAFFRON_EXPORT DeclaresPenalty {
 public:
  virtual ~DeclaresPenalty();
  [[nodiscard]] virtual PenaltyProperties penalty_properties() const = 0;
};

// Capability of an Sae, a Regularizer or an Objective: what its gradient is, by design, not the
// derivative in (straight-through estimators, stopped gradients): an SAE's parameters by name; of a
// step "codes", "reconstruction", or "W_enc", "b_enc" and "W_dec" of the kit's SAEs. The kit compares
// the others with finite differences.
class SAFFRON_EXPORT PseudoGradients {
 public:
  virtual ~PseudoGradients();
  [[nodiscard]] virtual std::vector<std::string> pseudo_gradients() const = 0;
};

}  // namespace saffron::inline sdk_v1
