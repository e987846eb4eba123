#pragma once

#include <ATen/core/Tensor.h>

namespace saffron::plugins {

// argmin_{f >= 0} ||x - f D||^2 of each row [B, F], from products = x D^T [B, F] and gram = D D^T [F, F],
// by cyclic coordinate descent from f = 0:
//
//   f_i <- max(0, f_i + (products_i - f gram_i) / gram_ii)
//
// until no f_i sqrt(gram_ii) moves by more than a fraction of the row's largest (1e-9 in float64, 1e-5 in
// float32), or 500 sweeps. Rows of D that are 0 have codes of 0.
[[nodiscard]] at::Tensor non_negative_codes(const at::Tensor& products, const at::Tensor& gram);

}  // namespace saffron::plugins
