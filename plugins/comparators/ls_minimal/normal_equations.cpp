#include "normal_equations.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cholesky_solve.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <tuple>

namespace saffron::plugins {
namespace {

constexpr int kPasses = 3;
constexpr double kRounding = 1e-12;  // of eigenvalues, relative to the largest

}  // namespace

NormalEquations& NormalEquations::operator+=(const NormalEquations& other) {
  gram = gram.defined() ? gram + other.gram : other.gram;
  cross = cross.defined() ? cross + other.cross : other.cross;
  rows += other.rows;
  return *this;
}

NormalEquations::Solution NormalEquations::solve(double ridge) const {
  const std::int64_t d = gram.size(0);
  const double mean = gram.diagonal().mean().item<double>();
  const at::Tensor system = gram + ridge * mean * at::eye(d, at::kDouble);
  const auto [factor, info] = at::linalg_cholesky_ex(system);
  if (info.item<std::int64_t>() != 0) return solve_known(system);
  at::Tensor w = at::zeros_like(cross);
  for (int pass = 0; pass < kPasses; ++pass) {
    w = w - at::cholesky_solve((cross + at::matmul(w, gram)).t(), factor).t();
  }
  return {.w = w, .unknown = 0};
}

NormalEquations::Solution NormalEquations::solve_known(const at::Tensor& system) const {
  const auto [values, vectors] = at::linalg_eigh(system);
  const at::Tensor known = values > values.abs().max() * kRounding + values[0].abs();
  if (!known.any().item<bool>()) {
    throw Error(ErrorKind::numeric,
                cat("the normal equations of ", system.size(0), " features over ", rows,
                    " transitions show no potential: their eigenvalues are from ",
                    values[0].item<double>(), " to ", values[-1].item<double>()))
        .with_help("draw more episodes");
  }
  const at::Tensor inverse = at::where(known, 1 / values, 0.0);
  return {.w = -at::matmul(at::matmul(cross, vectors) * inverse, vectors.t()),
          .unknown = known.logical_not().sum().item<std::int64_t>()};
}

NormalEquations drawn_equations(const at::Tensor& X, const at::Tensor& r) {
  return {at::matmul(X.t(), X), at::matmul(r, X), X.size(0)};
}

NormalEquations averaged_equations(const at::Tensor& X, const at::Tensor& r, const at::Tensor& cell,
                                   std::int64_t cells) {
  const std::int64_t d = X.size(1), R = r.size(0);
  const at::Tensor count =
      at::zeros({cells}, at::kDouble).index_add_(0, cell, at::ones({X.size(0)}, at::kDouble));
  const at::Tensor share = at::where(count > 1, 1 / (count - 1), 0.0);
  const at::Tensor own = share.index_select(0, cell);
  const at::Tensor sums = at::zeros({cells, d}, at::kDouble).index_add_(0, cell, X);
  const at::Tensor totals = at::zeros({R, cells}, at::kDouble).index_add_(1, cell, r);
  return {at::matmul(sums.t(), sums * share.unsqueeze(1)) - at::matmul(X.t(), X * own.unsqueeze(1)),
          at::matmul(totals * share, sums) - at::matmul(r * own, X),
          (own > 0).sum().item<std::int64_t>()};
}

}  // namespace saffron::plugins
