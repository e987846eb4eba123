#include <saffron/covariance.h>

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace saffron::inline sdk_v1 {

void Covariance::add(const at::Tensor& rows) {
  const std::int64_t count = rows.size(0), d = rows.size(1);
  if (count == 0) return;
  if (rows_ == 0) {
    mean_ = at::zeros({d}, at::kDouble);
    moment_ = at::zeros({d, d}, at::kDouble);
  }
  const at::Tensor x = rows.to(at::kDouble), mean = x.mean(0);
  const at::Tensor centred = x - mean;
  moment_.addmm_(centred.t(), centred);
  const at::Tensor delta = mean - mean_;
  const double before = static_cast<double>(rows_), added = static_cast<double>(count);
  moment_.addr_(delta, delta, 1, before * added / (before + added));
  mean_ = mean_ + delta * (added / (before + added));
  rows_ += count;
}

at::Tensor Covariance::matrix(std::int64_t missing) const {
  return moment_ / static_cast<double>(std::max<std::int64_t>(rows_ - missing, 1));
}

void Covariance::clear() {
  rows_ = 0;
  mean_.reset();
  moment_.reset();
}

State Covariance::save() const {
  State state;
  state.values.set("rows", rows_);
  if (rows_ == 0) return state;
  state.tensors.set("mean", mean_.clone());
  state.tensors.set("moment", moment_.clone());
  return state;
}

void Covariance::load(const State& state) {
  clear();
  rows_ = state.values.at("rows").as_int();
  if (rows_ == 0) return;
  mean_ = state.tensors["mean"].clone();
  moment_ = state.tensors["moment"].clone();
}

Axes principal_axes(const at::Tensor& symmetric) {
  const auto [values, vectors] = at::linalg_eigh(symmetric);
  const at::Tensor rows = vectors.t().flip(0);
  const at::Tensor largest = rows.gather(1, rows.abs().argmax(1, true));
  return {values.flip(0).clamp_min(0), at::where(largest < 0, -rows, rows).contiguous()};
}

}  // namespace saffron::inline sdk_v1
