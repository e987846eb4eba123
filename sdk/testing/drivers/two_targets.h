#pragma once

#include <saffron/testing/checks.h>
#include <saffron/testing/fake_step.h>

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

// A step of an SAE that predicts two streams, of other rows and widths than the one that it reads.

namespace saffron::testing {

class TwoTargets {
 public:
  explicit TwoTargets(const Subject& subject);
  [[nodiscard]] const at::Tensor& inputs() const { return inputs_; }
  [[nodiscard]] const std::vector<at::Tensor>& targets() const { return targets_; }
  // The step with these reconstructions, in float64.
  [[nodiscard]] std::unique_ptr<FakeTrainStep> step(
      const std::vector<at::Tensor>& reconstructions) const;

 private:
  std::shared_ptr<TrainedSae> sae_;
  at::Tensor inputs_;
  std::vector<at::Tensor> targets_;
};

}  // namespace saffron::testing
