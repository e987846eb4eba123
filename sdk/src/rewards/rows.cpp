#include "src/rewards/rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>

#include <cmath>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr Norm kNorms[] = {Norm::one,          Norm::two,          Norm::inf,
                           Norm::weighted_one, Norm::weighted_two, Norm::weighted_inf};

// A square this small beside the two that it is the difference of has lost too many digits.
constexpr double kClose = 1e-3;
constexpr double kLeast = 1e-250, kMost = 1e250;

Cells contiguous(const Cells& cells) {
  return {cells.count.contiguous(), cells.mass.contiguous(), cells.peak.contiguous()};
}

}  // namespace

// A row and its scale are divided by the largest entry of the scale, which bounds both: what is relative
// does not overflow with sums of them.
Rows::Rows(const at::Tensor& x, const at::Tensor& scale, Cells cells) : cells_(contiguous(cells)) {
  const at::Tensor largest = scale.amax(-1, true);
  const at::Tensor unit = at::where(largest > 0, largest, 1.0);
  values_ = (x / unit).contiguous();
  const at::Tensor whole = (scale / unit).contiguous();
  const std::int64_t N = values_.size(-1);
  for (std::int64_t i = 0; i < count(); ++i) {
    const Sized row = Sized::of(values_.const_data_ptr<double>() + i * N, N);
    const Sized sum = Sized::of(whole.const_data_ptr<double>() + i * N, N);
    const Norms of_row = norms_of_difference(1, row, 0, row, cells_);
    const Norms of_sum = norms_of_difference(1, sum, 0, sum, cells_);
    zero_.push_back(of_row[Norm::two] <= kZero * of_sum[Norm::two]);
    Norms inverse;
    for (const Norm kind : kNorms) {  // the weighted ones are seminorms: 0 also of what is not 0
      const bool none =
          zero_.back() || (kind >= Norm::weighted_one && of_row[kind] <= kZero * of_sum[kind]);
      inverse[kind] = none ? 0 : 1 / of_row[kind];
    }
    inverse_.push_back(inverse);
    magnitude_.push_back(unit[i].item<double>());
    row_.push_back(row);
  }
}

Rows Rows::centred(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& weight) {
  const at::Tensor mean = (x * weight).sum(-1, true);
  return {x - mean, scale, {weight, weight, weight}};
}

double Rows::factor(Norm kind, std::int64_t i) const {
  return kind == Norm::none ? magnitude_[at(i)] : inverse_[at(i)][kind];
}

Norms Rows::apart(Norm kind, std::int64_t i, std::int64_t j, double sign) const {
  return norms_of_difference(factor(kind, i), row_[at(i)], sign * factor(kind, j), row_[at(j)],
                             cells_);
}

at::Tensor Rows::squares(Norm kind, std::int64_t i, std::int64_t j) const {
  return (factor(kind, i) * values_[i] - factor(kind, j) * values_[j]).square() * cells_.count;
}

at::Tensor Rows::products(Norm weights) const {
  const at::Tensor& w = weights == Norm::two ? cells_.count : cells_.mass;
  return at::matmul(values_ * w, values_.t()).contiguous();
}

// a^2 <x, x> - 2 a b <x, y> + b^2 <y, y>, whose rounding error is some eps of the first and the last.
std::optional<double> Rows::apart(const at::Tensor& products, Norm kind, std::int64_t i,
                                  std::int64_t j, double sign) const {
  const double* g = products.const_data_ptr<double>();
  const double a = factor(kind, i), b = sign * factor(kind, j);
  const double ends = a * a * g[i * count() + i] + b * b * g[j * count() + j];
  const double square = ends - 2 * a * b * g[i * count() + j];
  if (!(square > kClose * ends) || !(ends > kLeast && ends < kMost)) return std::nullopt;
  return std::sqrt(square);
}

}  // namespace saffron::inline sdk_v1::rewards
