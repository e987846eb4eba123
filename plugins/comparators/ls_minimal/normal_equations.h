#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace saffron::plugins {

// Of sum (r + X w)^2 over transitions, for all rewards r at once.
struct NormalEquations {
  at::Tensor gram;        // G = X^T X [d, d]
  at::Tensor cross;       // h = r X [R, d]
  std::int64_t rows = 0;  // that count in them

  NormalEquations& operator+=(const NormalEquations& other);

  struct Solution {
    at::Tensor w;              // [R, d]
    std::int64_t unknown = 0;  // directions in which w is 0
  };
  // w of (G + lambda I) w = -h, lambda = ridge tr(G) / d, by one Cholesky factorisation. Two steps more,
  // each with what the earlier leave, take the ridge's part from all directions that the data show, and
  // leave it where G is small beside lambda. Where G + lambda I is not positive definite, as products of
  // different draws need not be, its most negative eigenvalue shows how far chance reaches: w is 0 in
  // the eigenvectors whose eigenvalue is no larger than that. Error (numeric) when that is all of them.
  [[nodiscard]] Solution solve(double ridge) const;

 private:
  [[nodiscard]] Solution solve_known(const at::Tensor& system) const;
};

// Each transition by itself. X [n, d], r [R, n].
[[nodiscard]] NormalEquations drawn_equations(const at::Tensor& X, const at::Tensor& r);

// Of the squares of means over what followed each state and action, sum_g n_g (E[r | g] + E[X | g] w)^2,
// g = cell [n]: from products of two different draws, sum_{j != k} X_j X_k^T / (n_g - 1), in which what
// chance adds to one draw does not meet itself. Cells with one draw do not count.
[[nodiscard]] NormalEquations averaged_equations(const at::Tensor& X, const at::Tensor& r,
                                                 const at::Tensor& cell, std::int64_t cells);

}  // namespace saffron::plugins
