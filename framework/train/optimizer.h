#pragma once

#include <cstdint>

namespace saffron::host {

enum class OptimizerKind : std::uint8_t { adam, signum };
// How moments are kept: as the parameters are, or rounded stochastically to half of float32.
enum class MomentsDtype : std::uint8_t { full, bfloat16 };

struct OptimizerOptions {
  OptimizerKind use = OptimizerKind::adam;
  MomentsDtype moments = MomentsDtype::full;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;  // decoupled: w -= lr * weight_decay * w
  double clip = 1.0;        // largest gradient norm of one SAE; 0 = no clipping
};

}  // namespace saffron::host
