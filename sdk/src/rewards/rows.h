#pragma once

#include "src/rewards/difference.h"

#include <saffron/reward_metrics.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::inline sdk_v1::rewards {

// Rewards as rows of numbers that are compared cell by cell.
class Rows {
 public:
  // Rows of x [R, N] are 0 where their 2-norm is at most kZero times that of `scale`.
  Rows(const at::Tensor& x, const at::Tensor& scale, Cells cells);
  // Less their mean under weights [N] of sum 1, which also weigh their cells.
  static Rows centred(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& weight);

  [[nodiscard]] std::int64_t count() const { return values_.size(0); }
  [[nodiscard]] bool zero(std::int64_t i) const { return zero_[at(i)]; }
  [[nodiscard]] double largest(std::int64_t i) const {
    return row_[at(i)].largest * magnitude_[at(i)];
  }
  [[nodiscard]] const Cells& cells() const { return cells_; }
  // Norms of x_i / kind(x_i) - sign x_j / kind(x_j); of x_i - sign x_j where kind is none.
  [[nodiscard]] Norms apart(Norm kind, std::int64_t i, std::int64_t j, double sign = 1) const;
  // The square of that difference's 2-norm, cell by cell: [N].
  [[nodiscard]] at::Tensor squares(Norm kind, std::int64_t i, std::int64_t j) const;
  // 2-norms alone, from <x_i, x_j> of all pairs (products): what is too close for
  // that is left out.
  [[nodiscard]] at::Tensor products(Norm weights) const;  // two or weighted_two: [R, R]
  [[nodiscard]] std::optional<double> apart(const at::Tensor& products, Norm kind, std::int64_t i,
                                            std::int64_t j, double sign = 1) const;

 private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] double factor(Norm kind, std::int64_t i) const;

  at::Tensor values_;              // the largest size in a row is 1, or 0
  std::vector<double> magnitude_;  // what that was
  std::vector<Sized> row_;
  std::vector<Norms> inverse_;  // 1 / norm of row i, or 0
  std::vector<bool> zero_;
  Cells cells_;
};

// Whether the largest entry of a form is so close to 0 that float64 holds fewer digits of it.
[[nodiscard]] bool faint(double largest);

// Why a reward has no correlation.
[[nodiscard]] std::string constant_reason(std::string_view form, const std::string& reward);

}  // namespace saffron::inline sdk_v1::rewards
