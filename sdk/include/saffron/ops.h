#pragma once

#include <saffron/codes.h>
#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// Sparse kernels, free for any plugin to use. Matrices over latents have latents first: W [F, d].
//
// float32 or float64, contiguous (others are made so), all tensors of a call on the CPU or on one
// CUDA device. Work is split into fixed chunks, never by thread count, so that a result does not
// depend on the number of threads. Parallel through LibTorch's pool. Shapes are checked (Error
// invalid).
//
// On CUDA (all but assign_maximum; Error plugin where the kernels or a GPU are missing): k of
// encode_topk is at most 4096, a gradient sums at most 8 factored ones, and LatentGroups of a csr
// are as long as its capacity. encode_topk waits for the device to look for NaN, but not while a
// CUDA graph is captured: there a NaN shows in the values.

namespace saffron::inline sdk_v1::ops {

// Encode and keep the k largest pre-activations of each row, exactly:
//   a = x W^T + b  ([B, d] x [F, d]);  values = the k largest a of each row, descending;  ties go to the
//   lower latent. The B x F pre-activations are formed in tiles and never stored.
// `rectify`: values below 0 become 0 (the latent keeps its place). b may be undefined. NaN in a is an
// Error (numeric) that names the row and latent. `allowed` (bool [F], may be undefined) restricts the choice; rows
// with fewer than k allowed latents are an Error (invalid).
[[nodiscard]] SAFFRON_EXPORT Codes encode_topk(const at::Tensor& x, const at::Tensor& W,
                                               const at::Tensor& b, std::int64_t k, bool rectify,
                                               const at::Tensor& allowed = {});

// xhat[r, :] = sum over entries (latent i, value v) of row r of v * W[i, :]  + b. b may be undefined.
[[nodiscard]] SAFFRON_EXPORT at::Tensor decode(const Codes& codes, const at::Tensor& W,
                                               const at::Tensor& b);

// d loss / d values:  out[e] = < g[row(e), :], W[latent(e), :] >, the shape of codes.values().
[[nodiscard]] SAFFRON_EXPORT at::Tensor code_gradient(const Codes& codes, const at::Tensor& W,
                                                      const at::Tensor& g);

// Entries of several supports grouped by latent, for passes over latents.
struct SAFFRON_EXPORT LatentGroups {
  at::Tensor offsets;  // int32 [F + 1]
  at::Tensor entries;  // int32 [nnz], entry numbers, ascending inside a latent
  at::Tensor rows;     // int32 [nnz], row of each of `entries`
};
[[nodiscard]] SAFFRON_EXPORT LatentGroups group_by_latent(const Codes& support);

// dW [F, d] of one factored gradient, formed in full (tests, dense consumers).
[[nodiscard]] SAFFRON_EXPORT at::Tensor form_gradient(const FactoredGradient& gradient);

// One Adam step (Kingma, Ba 2015; decoupled weight decay as in AdamW) of one parameter.
struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  std::int64_t step = 1;      // counts from 1, for the bias correction
  double gradient_scale = 1;  // clipping, applied after the norm is known
};

// A parameter's gradient, formed row by row: the dense part plus the factored ones. Under unit_rows
// the component along the parameter's row is removed first:  g <- g - <g, w> w.
class SAFFRON_EXPORT GradientRows {
 public:
  GradientRows(at::Tensor parameter, Constraint constraint, const Gradient& gradient);
  // sum of squares over the whole parameter, after the projection; summed in fixed chunks.
  [[nodiscard]] double squared_norm() const;
  // Projection, clipping, Adam and the constraint in one pass over the rows; moments [as parameter].
  void adam(at::Tensor& m, at::Tensor& v, const AdamOptions& options);

 private:
  at::Tensor parameter_, dense_;
  Constraint constraint_;
  std::vector<FactoredGradient> factored_;
  std::vector<LatentGroups> groups_;
  std::int64_t rows_ = 0, width_ = 0;
};

// ---- matching ---------------------------------------------------------------------------------

// The assignment of rows to columns that maximises the sum of score[i, assignment[i]]
// (Jonker-Volgenant, O(n^2 m)). score [n, m] with n <= m, finite; result int64 [n].
[[nodiscard]] SAFFRON_EXPORT at::Tensor assign_maximum(const at::Tensor& score);

}  // namespace saffron::inline sdk_v1::ops
