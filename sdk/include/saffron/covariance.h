#pragma once

#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>

// Mean and covariance of rows that come in batches, in float64. Batches are joined by the moments
// about their own means, so that a mean far from 0 costs no digits (Chan, Golub, LeVeque 1979):
//
//   M2 = M2_a + M2_b + n_a n_b / (n_a + n_b) delta delta^T        delta = mean_b - mean_a

namespace saffron::inline sdk_v1 {

class SAFFRON_EXPORT Covariance {
 public:
  void add(const at::Tensor& rows);  // [B, d], any floating dtype
  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] const at::Tensor& mean() const { return mean_; }  // [d]; undefined before any row
  // [d, d]: sum of (x - mean)(x - mean)^T over rows() - missing.
  [[nodiscard]] at::Tensor matrix(std::int64_t missing) const;
  void clear();

  [[nodiscard]] State save() const;
  void load(const State& state);

 private:
  std::int64_t rows_ = 0;
  at::Tensor mean_, moment_;
};

// Eigenvalues of a symmetric matrix, the largest first, negative rounding errors as 0, and unit
// eigenvectors in rows, each with its entry of largest magnitude positive: one sign on every machine.
struct SAFFRON_EXPORT Axes {
  at::Tensor variances;   // [d]
  at::Tensor directions;  // [d, d]
};
[[nodiscard]] SAFFRON_EXPORT Axes principal_axes(const at::Tensor& symmetric);

}  // namespace saffron::inline sdk_v1
