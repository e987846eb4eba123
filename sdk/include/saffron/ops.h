#pragma once

#include <saffron/codes.h>
#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <list>
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
// are as long as its capacity. Encoders wait for the device, to look for NaN and to count the
// entries of a csr. While a CUDA graph is captured encode_topk does not: there a NaN shows in the
// values; the two that make a csr refuse (Error plugin).

namespace saffron::inline sdk_v1::ops {

// ---- encoders ---------------------------------------------------------------------------------
//
// All form the pre-activations  a = scale * (x W^T + b)  ([B, d] x [F, d], b and scale [F], each of
// the two may be undefined: 0 and 1) in tiles and never store them, and keep some of them exactly.
// A NaN in a is an Error (numeric) that names the first one's row and latent.

// What becomes of the k entries that encode_topk keeps.
enum class Keep : std::uint8_t {
  signed_values,  // the k largest a as they are
  rectified,      // the k largest a; values below 0 become 0, the latent keeps its place
  magnitude       // the k largest |a|, values keep their sign
};

// The k largest of each row, the largest first; ties go to the lower latent. `allowed` (bool [F],
// may be undefined) restricts the choice: the other latents are not formed, a NaN among them is not
// found (on the CPU). Error (invalid) where fewer than k are allowed.
[[nodiscard]] SAFFRON_EXPORT Codes encode_topk(const at::Tensor& x, const at::Tensor& W,
                                               const at::Tensor& b, std::int64_t k, Keep keep,
                                               const at::Tensor& allowed = {},
                                               const at::Tensor& scale = {});

// Every a[r, i] > bounds[i] as csr of exact capacity; bounds [F], undefined: 0.
[[nodiscard]] SAFFRON_EXPORT Codes encode_above(const at::Tensor& x, const at::Tensor& W,
                                                const at::Tensor& b, const at::Tensor& bounds,
                                                const at::Tensor& scale = {});

struct BatchTopk {
  Codes codes;          // csr of exact capacity
  double smallest = 0;  // value kept; 0 where none is
};
// The k B largest of the whole batch that are above 0, fewer if fewer are; ties go to the lower
// row, then to the lower latent. `hint` guesses the smallest value kept, 0 is no guess. The result
// does not depend on it: a guess somewhat low makes the work shorter, one too high doubles it.
[[nodiscard]] SAFFRON_EXPORT BatchTopk encode_batch_topk(const at::Tensor& x, const at::Tensor& W,
                                                         const at::Tensor& b, std::int64_t k,
                                                         const at::Tensor& scale = {},
                                                         double hint = 0);

// ---- products and gradients ---------------------------------------------------------------------

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

// Groups of supports, made when first asked for: gradients with one support share them. Supports are one
// when their indices (and offsets) are the same tensors.
class SAFFRON_EXPORT SupportGroups {
 public:
  [[nodiscard]] const LatentGroups& of(const Codes& support);  // valid while this lives

 private:
  struct Made {
    Codes support;
    LatentGroups groups;
  };
  std::list<Made> made_;
};

// [F] sums of the values of each latent, in the order of entries where codes are sparse.
[[nodiscard]] SAFFRON_EXPORT at::Tensor sum_by_latent(const Codes& codes);

// dW [F, d] of one factored gradient, formed in full (tests, dense consumers).
[[nodiscard]] SAFFRON_EXPORT at::Tensor form_gradient(const FactoredGradient& gradient);

// One Adam step (Kingma, Ba 2015; decoupled weight decay as in AdamW) of one parameter.
struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  std::int64_t step = 1;      // counts from 1, for the bias correction
  double gradient_scale = 1;  // clipping, applied after the norm is known
  std::uint64_t noise = 0;    // a key of this step and parameter, for moments in bfloat16
};

// One step of sign descent with momentum, "Signum" (Bernstein et al. 2018, signSGD), with decoupled
// weight decay. One moment, half of Adam's. gradient_scale hardly matters to it.
//   m <- beta m + (1 - beta) g        w <- w - lr (sign(m) + weight_decay w)
struct SignumOptions {
  double lr = 1e-4, beta = 0.9, weight_decay = 0;
  double gradient_scale = 1;
  std::uint64_t noise = 0;
};

// A parameter's gradient, formed row by row: the dense part plus the factored ones. Under unit_rows
// the component along the parameter's row is removed first:  g <- g - <g, w> w.
class SAFFRON_EXPORT GradientRows {
 public:
  // `shared`: groups of the supports that the parameters of one step have in common; may be null.
  GradientRows(at::Tensor parameter, Constraint constraint, const Gradient& gradient,
               SupportGroups* shared = nullptr);
  // sum of squares over the whole parameter, after the projection; summed in fixed chunks.
  [[nodiscard]] double squared_norm() const;
  // Projection, clipping, Adam and the constraint in one pass over the rows; moments [as parameter],
  // of its dtype or bfloat16. Those are reckoned with in the parameter's dtype, and what is kept of them is
  // rounded stochastically (unbiased: Zamirai et al. 2020, "Revisiting BFloat16 Training"), by draws that
  // depend on `noise` and the element alone. bfloat16: CPU only (Error plugin).
  void adam(at::Tensor& m, at::Tensor& v, const AdamOptions& options);
  // The same with Signum.
  void signum(at::Tensor& m, const SignumOptions& options);

 private:
  // Forms, projects and constrains each row around `update`(row of g, of w, its first element).
  template <class T, class Update>
  void step_rows(Update&& update);

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
