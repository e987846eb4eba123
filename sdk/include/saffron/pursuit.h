#pragma once

#include <saffron/codes.h>
#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// Matching pursuit over the rows w_i of a dictionary W [F, d], for any plugin to use.
// (Mallat, Zhang 1993; orthogonal: Pati, Rezaiifar, Krishnaprasad 1993, with the Cholesky updates of
// Rubinstein, Zibulevsky, Elad 2008)
//
//   r_0 = x        i_t = argmax_i <r_{t-1}, w_i>,  ties to the lower latent; a row ends where that is not > 0
//
//   matching       v_t = <r_{t-1}, w_{i_t}>     f_{i_t} += v_t                r_t = r_{t-1} - v_t w_{i_t}
//   orthogonal     f = the least-squares coefficients of x on all w_i chosen  r_t = x - f W
//
// A row also ends after k choices, with ||r_t|| < tolerance, and (matching, with stop_at_repeat) with a
// choice made before, which still counts. Orthogonal: a latent that the chosen ones span already, itself
// among them, is not taken and ends the row. Coefficients of the orthogonal kind may become negative.
//
// Correlations come from a product with W for each choice, 2 F d flops a row and choice, or from W W^T,
// formed for the call, with which a choice costs F multiply-adds (orthogonal: t F). The cheaper of the two
// by count is taken where W W^T fits into gram_bytes. [B, F] is never stored.
//
// CPU, float32 or float64; Error (plugin) on CUDA, Error (numeric) for NaN. Row by row the result does
// not depend on the number of threads.

namespace saffron::inline sdk_v1::ops {

struct PursuitOptions {
  enum class Products : std::uint8_t { cheapest, direct, gram };
  std::int64_t k = 32;
  bool orthogonal = false;
  double tolerance = 0;
  bool stop_at_repeat = true;
  std::int64_t gram_bytes = std::int64_t{1} << 30;
  Products products = Products::cheapest;
};

struct SAFFRON_EXPORT Pursuit {
  Codes codes;  // csr of exact capacity
  // The choices in their order: those of row b are [offsets[b], offsets[b + 1]).
  at::Tensor offsets;  // int32 [B + 1]
  at::Tensor latents;  // int32 [N]
  at::Tensor entries;  // int32 [N], their place in codes
  at::Tensor values;   // [N] v_t; orthogonal: f
  at::Tensor
      factors;  // orthogonal: [B, k (k + 1) / 2], the rows of the Cholesky factor of <w_s, w_t>
};

// `allowed` (bool [F], may be undefined) restricts the choice. `gram_room` keeps the memory of W W^T from
// call to call; may be null.
[[nodiscard]] SAFFRON_EXPORT Pursuit pursue(const at::Tensor& x, const at::Tensor& W,
                                            const PursuitOptions& options,
                                            const at::Tensor& allowed = {},
                                            at::Tensor* gram_room = nullptr);

struct PursuitGradient {
  std::vector<FactoredGradient> W;
  at::Tensor x;  // [B, d]
};

// The gradients of a loss with derivatives df in the values of codes (their shape) and g [B, d] in
// xhat = f W, either may be undefined: exact but for the choices, which are held. With rho_T = -g,
//
//   matching      dv_t = df_{i_t} - <rho_t, w_{i_t}>     rho_{t-1} = rho_t + dv_t w_{i_t}
//                 dW[i_t] += dv_t r_{t-1} - v_t rho_t    dx = rho_0 + g
//   orthogonal    u = (A A^T)^-1 (df + A g), A = W[chosen]     dx = A^T u
//                 dW[chosen] += u r^T - f (A^T u - g)^T
//
// Matching keeps one row of d numbers a choice, N d in all, until the optimiser has used them.
[[nodiscard]] SAFFRON_EXPORT PursuitGradient pursuit_gradient(const Pursuit& pursuit,
                                                              const at::Tensor& x,
                                                              const at::Tensor& W,
                                                              const at::Tensor& df,
                                                              const at::Tensor& g);

}  // namespace saffron::inline sdk_v1::ops
