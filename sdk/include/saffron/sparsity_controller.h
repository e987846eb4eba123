#pragma once

#include <saffron/sae.h>
#include <saffron/schema.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1 {

// A factor m on a sparsity coefficient that brings L0 to a target: integral control, damped while L0
// moves towards the target. (The autotuner of SynthSAEBench's experiments, Chanin, Garriga-Alonso 2026.)
//
// Of the mean L0 of each step's batch, from m = 1:
//
//   s <- c s + (1 - c) L0                          c = l0_smoothing;  at first s = L0
//   r <- c' r + (1 - c') (s - s before)            c' = rate_smoothing;  at first r = 0
//   from step control_start T on, with e = s - target_l0:
//   m <- m (1 + sign(e) control_gain g tanh(control_scale |e| / target_l0))
//        g = convergence_gain where e r < 0 (on its way), else 1
//   m stays within [multiplier_min, multiplier_max]
//
// A step is trained with the m that the steps before it made. At the default gain m needs at least 3,300
// steps to change by a factor of e: a coefficient that is far off needs a longer run or a larger gain.
struct SparsityControlOptions {
  double target_l0 = 0;  // 0: no control
  double control_start = 0;
  double l0_smoothing = 0.99;
  double rate_smoothing = 0.95;
  double control_gain = 3e-4;
  double control_scale = 10;
  double convergence_gain = 0.01;
  double multiplier_min = 0.01;
  double multiplier_max = 100;

  [[nodiscard]] static SAFFRON_EXPORT Schema<SparsityControlOptions> schema();
};

class SAFFRON_EXPORT SparsityController {
 public:
  explicit SparsityController(const SparsityControlOptions& options);

  [[nodiscard]] bool active() const { return options_.target_l0 > 0; }
  // 1 where it is not active.
  [[nodiscard]] double multiplier() const;
  [[nodiscard]] double smoothed_l0() const;
  // "multiplier" and "smoothed_l0", for logs; none where it is not active.
  [[nodiscard]] std::vector<std::pair<std::string, double>> readings() const;
  // After a step: the mean L0 of its batch.
  void observe(double l0, std::int64_t step, std::int64_t steps);

  // Everything that later steps depend on: float64 [4], log m, s, r and the number of batches seen. A
  // regularizer keeps it as state; an SAE declares it as the buffer "sparsity_control".
  [[nodiscard]] at::Tensor state() const { return state_.clone(); }
  void set_state(const at::Tensor& state);  // Error (data) where it does not fit
  void declare(SaeSpec& spec) const;        // where it is active
  void bind(const Tensors& buffers);
  // The readings as terms of weight 0 of an SAE's loss.
  void show(Forward& forward) const;

 private:
  SparsityControlOptions options_;
  at::Tensor state_;
};

// "" or what is wrong with a target beside a number of latents.
[[nodiscard]] SAFFRON_EXPORT std::string target_problem(const SparsityControlOptions& options,
                                                        std::int64_t latents);

}  // namespace saffron::inline sdk_v1
