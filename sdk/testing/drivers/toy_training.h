#pragma once

#include "testing/driver.h"

#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

// SAEs trained on the toy world, as the host trains them but without a recipe: squared error, Adam,
// the declared constraints.

namespace saffron::testing {

// The shapes that an SAE is offered, in that order.
[[nodiscard]] std::vector<SaeShape> toy_shapes();
[[nodiscard]] std::string text_of(const SaeShape& shape);  // "12 to 7": widths
// The gradients of the squared error, summed over targets and the mean over rows.
[[nodiscard]] Upstream of_squared_error(const SaeInput& input, const Forward& forward);

class ToyTraining {
 public:
  // Declares the SAE for the first shape that it accepts (an autoencoder of one stream, a transcoder,
  // two streams; autoencoders of other widths), allocates, binds and initialises. Skips the check where it accepts none.
  // Parameters are `before` until they are initialised.
  ToyTraining(const Subject& subject, const Subject::Setup& setup, double before = 0);
  // For that shape. Skips the check where it is refused.
  ToyTraining(const SaeShape& shape, const Subject& subject);

  [[nodiscard]] Sae& sae() const { return *sae_; }
  [[nodiscard]] const std::shared_ptr<Sae>& shared() const { return sae_; }
  [[nodiscard]] const SaeSpec& spec() const { return spec_; }
  [[nodiscard]] const SaeShape& shape() const { return shape_; }
  [[nodiscard]] const Tensors& parameters() const { return parameters_; }
  [[nodiscard]] const Tensors& buffers() const { return buffers_; }
  [[nodiscard]] bool trainable() const;  // some parameter is not frozen, and it is not Fitted

  // A batch of the toy world for this shape; handed over through `inputs` where given.
  [[nodiscard]] SaeInput batch(std::uint64_t data, std::int64_t rows,
                               Inputs* inputs = nullptr) const;

  // Forward and backward under `upstream` = the gradients of the squared error, or the given ones.
  struct Pass {
    Forward forward;
    std::map<std::string, at::Tensor> gradients;  // formed in full
    Gradients raw;
  };
  [[nodiscard]] Pass pass(const SaeInput& input);
  [[nodiscard]] Pass pass(const SaeInput& input,
                          const std::function<Upstream(const Forward&)>& upstream);
  // The optimiser's part, the constraints, and after_step.
  void step(const SaeInput& input, const Pass& pass, double lr, double eps = 1e-8);
  // Passes over the toy rows until it has enough, for Fitted ones.
  void fit();

  // Mean over rows and targets of ||target - decode(encode(input))||^2.
  [[nodiscard]] double squared_error(const SaeInput& input) const;
  // Values of parameters, buffers and moments, as a checkpoint has them.
  struct Snapshot {
    Tensors parameters, buffers;
    std::map<std::string, std::pair<at::Tensor, at::Tensor>> moments;
    std::int64_t steps = 0;
  };
  [[nodiscard]] Snapshot snapshot() const;
  void restore(const Snapshot& snapshot);
  // Parameters and buffers alone: what a forward pass reads.
  void rewind(const Snapshot& snapshot);

 private:
  [[nodiscard]] std::string declare(const SaeShape& shape);
  void begin(const Subject& subject, double before);
  void allocate(const Subject::Setup& setup, double before);

  std::shared_ptr<Sae> sae_;
  SaeSpec spec_;
  SaeShape shape_;
  Subject::Setup setup_;
  std::uint64_t first_;  // number of the data that initialises and fits
  Tensors parameters_, buffers_;
  std::map<std::string, std::pair<at::Tensor, at::Tensor>> moments_;
  std::int64_t steps_ = 0;
};

}  // namespace saffron::testing
