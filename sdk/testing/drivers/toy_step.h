#pragma once

#include "testing/driver.h"

#include <saffron/testing/fake_step.h>
#include <saffron/testing/toys.h>

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

// Training steps over toy SAEs, for what is called once a step: regularizers and objectives.

namespace saffron::testing {

// [rows, 12] of the toy world's embeddings, beginning at a row that `data` chooses, float32.
[[nodiscard]] at::Tensor toy_rows(std::uint64_t data, std::int64_t rows);

// The tensors of one SAE in a step that a loss may be differentiated in.
struct StepLeaves {
  at::Tensor codes, reconstruction, W_enc, b_enc, W_dec;
  [[nodiscard]] std::vector<at::Tensor> all() const {
    return {codes, reconstruction, W_enc, b_enc, W_dec};
  }
  static StepLeaves from(std::span<const at::Tensor> five) {
    return {five[0], five[1], five[2], five[3], five[4]};
  }
};
[[nodiscard]] const char* leaf_name(std::size_t number);  // "codes", "reconstruction", ...

// Some toy SAEs and a batch of theirs.
class ToyStep {
 public:
  explicit ToyStep(std::int64_t saes);
  [[nodiscard]] std::vector<const TrainedSae*> saes() const;

  // What each SAE makes of the inputs' batch, handed over through `inputs`; no leaf requires a gradient yet.
  [[nodiscard]] std::vector<StepLeaves> leaves(Inputs& inputs) const;
  // The step with these tensors. Codes are dense [B, F]; the step holds them in the inputs' layout. Its
  // number is chosen by the inputs where none is given, and is not 0 then.
  static constexpr std::int64_t kSteps = 10;  // of the run
  [[nodiscard]] std::unique_ptr<FakeTrainStep> step(
      const std::vector<StepLeaves>& leaves, Inputs& inputs,
      std::optional<std::int64_t> number = std::nullopt) const;

 private:
  std::vector<std::shared_ptr<TrainedSae>> saes_;
};

}  // namespace saffron::testing
