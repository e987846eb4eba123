#include "src/rewards/policy_system.h"

#include "ops/cpu/vector.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/linalg_lu_factor_ex.h>
#include <ATen/ops/linalg_lu_solve.h>

#include <algorithm>
#include <tuple>

namespace saffron::inline sdk_v1::rewards {
namespace {

// Up to here a plain elimination is faster than LAPACK's, with what it takes to get there.
constexpr std::int64_t kPlain = 128;

// y -= factor * x. Sums over states are made of these, state by state: their order is no matter of the
// vectors' width.
[[gnu::always_inline]] inline void subtract(std::int64_t n, double factor, const double* x,
                                            double* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] -= factor * x[i];
}

[[gnu::always_inline]] inline double dot(std::int64_t n, const double* x, const double* y) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// Rows of L (whose diagonal is 1) and of U in the place of a matrix.
SAFFRON_CLONES void eliminate(std::int64_t n, double* m) {
  for (std::int64_t k = 0; k < n; ++k) {
    const double* pivot = m + k * n;
    const double inverse = 1 / pivot[k];
    for (std::int64_t i = k + 1; i < n; ++i) {
      double* row = m + i * n;
      const double factor = row[k] *= inverse;
      subtract(n - 1 - k, factor, pivot + k + 1, row + k + 1);
    }
  }
}

// x of L U x = b, in place.
SAFFRON_CLONES void substitute_rows(std::int64_t n, const double* lu, double* b) {
  for (std::int64_t i = 1; i < n; ++i) b[i] -= dot(i, lu + i * n, b);
  for (std::int64_t i = n - 1; i >= 0; --i) {
    const double* row = lu + i * n;
    b[i] = (b[i] - dot(n - 1 - i, row + i + 1, b + i + 1)) / row[i];
  }
}

// x of x L U = b, in place.
SAFFRON_CLONES void substitute_columns(std::int64_t n, const double* lu, double* b) {
  for (std::int64_t i = 0; i < n; ++i) {
    const double* row = lu + i * n;
    b[i] /= row[i];
    subtract(n - 1 - i, b[i], row + i + 1, b + i + 1);
  }
  for (std::int64_t i = n - 1; i > 0; --i) subtract(i, b[i], lu + i * n, b);
}

// rest -= x m, or m x.
SAFFRON_CLONES void take_rows(std::int64_t n, const double* m, const double* x, double* rest) {
  for (std::int64_t i = 0; i < n; ++i) subtract(n, x[i], m + i * n, rest);
}
SAFFRON_CLONES void take_dots(std::int64_t n, const double* m, const double* x, double* rest) {
  for (std::int64_t i = 0; i < n; ++i) rest[i] -= dot(n, m + i * n, x);
}

}  // namespace

PolicySystem::PolicySystem(std::int64_t states, double gamma)
    : size_(states),
      gamma_(gamma),
      matrix_(static_cast<std::size_t>(states * states)),
      lu_(states > kPlain ? 0 : matrix_.size()),
      given_(static_cast<std::size_t>(states)),
      rest_(given_.size()) {}

void PolicySystem::set_row(std::int64_t s, const double* successors) {
  double* column = matrix_.data() + s;
  for (std::int64_t j = 0; j < size_; ++j) column[j * size_] = -gamma_ * successors[j];
  column[s * size_] += 1;
}

void PolicySystem::factorise() {
  if (!lu_.empty()) {
    std::copy(matrix_.begin(), matrix_.end(), lu_.begin());
    return eliminate(size_, lu_.data());
  }
  const at::Tensor m = at::from_blob(matrix_.data(), {size_, size_}, at::kDouble);
  std::tie(factors_, pivots_, std::ignore) = at::linalg_lu_factor_ex(m);
}

void PolicySystem::substitute(double* b, bool transposed) {
  if (!lu_.empty()) {
    return transposed ? substitute_rows(size_, lu_.data(), b)
                      : substitute_columns(size_, lu_.data(), b);
  }
  const at::Tensor x = at::from_blob(b, {size_, 1}, at::kDouble);
  x.copy_(at::linalg_lu_solve(factors_, pivots_, x, /*left=*/true, /*adjoint=*/!transposed));
}

void PolicySystem::refine(double* b, bool transposed) {
  std::copy(b, b + size_, given_.begin());
  substitute(b, transposed);
  rest_ = given_;
  (transposed ? take_dots : take_rows)(size_, matrix_.data(), b, rest_.data());
  substitute(rest_.data(), transposed);
  for (std::int64_t i = 0; i < size_; ++i) b[i] += rest_[static_cast<std::size_t>(i)];
}

}  // namespace saffron::inline sdk_v1::rewards
