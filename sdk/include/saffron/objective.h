#pragma once

#include <saffron/regularizer.h>

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

}  // namespace saffron::inline sdk_v1
