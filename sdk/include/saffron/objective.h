#pragma once

#include <saffron/regularizer.h>

#include <optional>
#include <vector>

namespace saffron::inline sdk_v1 {

// The reconstruction term of the loss of one SAE: a scalar, differentiable in its reconstructions
// (`mse`: sum over d and targets, mean over rows; `kl` and `ce` run a model on them). Called once a
// step and SAE, with a step of that SAE alone.
class SAFFRON_EXPORT Objective {
 public:
  static constexpr const char* kKind = "objective";
  static constexpr const char* kInterface = "saffron.objective/1";
  using Interface = Objective;

  Objective() = default;
  Objective(const Objective&) = delete;
  Objective& operator=(const Objective&) = delete;
  virtual ~Objective();

  [[nodiscard]] virtual at::Tensor loss(const TrainStep& step) = 0;
};

// Capability: an objective that is a multiple of the squared error summed over d and averaged over
// rows, so that penalties beside it have canonical coefficients (regularizer.h).
class SAFFRON_EXPORT CanonicalObjective {
 public:
  virtual ~CanonicalObjective();
  // s with  squared error = s * loss;  nothing where no one s does it (targets of other widths).
  [[nodiscard]] virtual std::optional<double> canonical_scale(const TrainedSae& sae) const = 0;
};

// Capability: such a multiple, which is another one in each batch: an objective that is divided by the
// variance of its targets.
class SAFFRON_EXPORT BatchScaledObjective {
 public:
  virtual ~BatchScaledObjective();
  // s of a batch with these targets [B, d]; nothing where canonical_scale says it.
  [[nodiscard]] virtual std::optional<double> batch_scale(
      const std::vector<at::Tensor>& targets) const = 0;
};

}  // namespace saffron::inline sdk_v1
