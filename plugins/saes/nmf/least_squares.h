#pragma once

#include <ATen/core/Tensor.h>

namespace saffron::plugins {

// argmin_{f >= 0} ||x - f D||^2 of each row of x [B, d] over a dictionary D [F, d], as [B, F] of x's dtype,
// by cyclic coordinate descent from f = 0 in float64 with gram = D D^T:
//
//   f_i <- max(0, f_i + (x D^T - f gram)_i / gram_ii)
//
// until no f_i sqrt(gram_ii) moves by more than 1e-9 of the row's largest, or 500 sweeps. In float32 the
// rounding of the products decides when it ends, and so do threads and processors. Rows of D that are 0 have
// codes of 0.
[[nodiscard]] at::Tensor non_negative_codes(const at::Tensor& rows, const at::Tensor& dictionary);

}  // namespace saffron::plugins
