#pragma once

#include <saffron/report.h>
#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

// The one definition of how well reconstructions xhat stand for activations x, rows b = 1..n:
//
//   e_b = x_b - xhat_b        mean = 1/n sum_b x_b, over all rows, never a batch's own
//
//   fvu            sum ||e_b||^2 / sum ||x_b - mean||^2    fraction of variance unexplained
//   fvu_uncentred  sum ||e_b||^2 / sum ||x_b||^2
//   mse            1/n sum ||e_b||^2                       summed over coordinates, not averaged
//   cosine         mean_b cos(x_b, xhat_b)                 0 where xhat_b = 0
//   norm_ratio     mean_b ||xhat_b|| / ||x_b||             below 1: shrinkage
//   relative_bias  sum ||xhat_b||^2 / sum <x_b, xhat_b>    1 / (the factor that scales xhat best);
//                  below 1: shrinkage  (Rajamanoharan et al. 2024, "Improving dictionary learning
//                  with gated sparse autoencoders")
//
// cosine and norm_ratio leave out rows with x_b = 0. What has no rows or a denominator of 0 is NaN.

namespace saffron::inline sdk_v1::metrics {

// Sums over rows from which all of these follow, in float64. The variation about the mean is kept
// as (rows, mean, sum of squared deviations) and combined as Chan, Golub and LeVeque (1983) do, so
// that neither the split into batches nor an offset far from 0 changes the result beyond rounding.
class SAFFRON_EXPORT ReconstructionSums {
 public:
  explicit ReconstructionSums(std::int64_t width);

  // x and xhat [R, width]. Returns ||e_b||^2 of each row, float64 [R]. Deterministic for any number
  // of threads.
  at::Tensor add(const at::Tensor& x, const at::Tensor& xhat);
  void merge(const ReconstructionSums& other);
  // As tensors named `prefix`..., for a State. load: Error (data) when they do not fit.
  void save(Tensors& out, const std::string& prefix) const;
  void load(const Tensors& in, const std::string& prefix);

  [[nodiscard]] std::int64_t rows() const { return rows_; }
  [[nodiscard]] const at::Tensor& mean() const { return mean_; }  // float64 [width]
  [[nodiscard]] double squared_error() const { return error_; }   // sum ||e_b||^2
  [[nodiscard]] double squared_norm() const { return norm_; }     // sum ||x_b||^2
  [[nodiscard]] double variation() const { return variation_; }   // sum ||x_b - mean||^2

  [[nodiscard]] double fvu() const;
  [[nodiscard]] double fvu_uncentred() const;
  [[nodiscard]] double mse() const;
  [[nodiscard]] double cosine() const;
  [[nodiscard]] double norm_ratio() const;
  [[nodiscard]] double relative_bias() const;
  // All of them, and explained_variance = 1 - fvu, with definitions, or why one has no value.
  [[nodiscard]] std::vector<Metric> metrics(const std::string& subject) const;

 private:
  void add_variation(std::int64_t rows, const at::Tensor& mean, double variation);

  std::int64_t rows_ = 0, nonzero_rows_ = 0;  // nonzero: x_b != 0
  at::Tensor mean_;
  double variation_ = 0, error_ = 0, norm_ = 0, xhat_norm_ = 0, product_ = 0;
  double cosines_ = 0, norm_ratios_ = 0;
};

// Explained variance row by row (Farnik et al. 2025, "Jacobian sparse autoencoders"):
//
//   mean_b ( 1 - ||e_b||^2 / ||x_b - mean||^2 )      not 1 - fvu: a ratio a row, then the mean
//
// x [R, d], squared_error float64 [R], mean float64 [d]. Rows that equal the mean are left out; NaN
// when none is left.
[[nodiscard]] SAFFRON_EXPORT double row_explained_variance(const at::Tensor& x,
                                                           const at::Tensor& squared_error,
                                                           const at::Tensor& mean);

}  // namespace saffron::inline sdk_v1::metrics
