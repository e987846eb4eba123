#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

// Sums over the levels of nested dictionaries, each in one pass over memory. Parts [B, m, d] hold
// f[:, F_{j-1} : F_j] W_dec[F_{j-1} : F_j] of level j; contiguous, float32 or float64.

namespace saffron::plugins {

// xhat = sum over all levels of their parts, + b [d].  [B, d]
[[nodiscard]] at::Tensor sum_of_levels(const at::Tensor& parts, const at::Tensor& b);

// Parts become the errors  e_j = xhat_j - x,  xhat_j = b + parts 1 .. j.  x [B, d].
// Returns  mean over rows of  s_b^2 sum_{j < m} w_j ||e_j||^2  (scalar of x's type); s [B, 1], undefined: 1.
at::Tensor become_errors(at::Tensor& parts, const at::Tensor& b, const at::Tensor& x,
                         const at::Tensor& s, const std::vector<double>& w);

// Errors become  d loss / d part j  of  loss = 1/2 sum_{b, j < m} w_j s_b^2 ||e_bj||^2 + upstream of
// xhat_m, where g [B, d] is d upstream / d xhat_m; undefined: 0.
void become_gradients(at::Tensor& errors, const std::vector<double>& w, const at::Tensor& s,
                      const at::Tensor& g);

}  // namespace saffron::plugins
