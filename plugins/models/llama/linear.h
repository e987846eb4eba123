#pragma once

#include <ATen/core/Tensor.h>

namespace llama {

// y = x weight^T + bias
struct Linear {
  at::Tensor weight;  // [out, in]; without memory of its own where `packed` is defined
  at::Tensor bias;    // [out] or undefined
  at::Tensor
      packed;  // the weight in the order in which MKL's matrix product reads it, or undefined
};

// [n, in] -> [n, out], differentiable in x where the matrix is not packed.
[[nodiscard]] at::Tensor multiply(const at::Tensor& x, const Linear& linear);

// Whether this LibTorch packs matrices of that dtype on that device.
[[nodiscard]] bool can_pack(at::ScalarType dtype, at::Device device);

// MKL repacks a matrix in every product: a fifth of the time for a tile of a hundred rows. This does
// it once; the plain weight is let go.
[[nodiscard]] Linear pack(const Linear& plain);

}  // namespace llama
