#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace saffron::inline sdk_v1::rewards {

// I - gamma T of one policy after another, T[s, s'] = P(s' | s) under it. Rows are diagonally
// dominant for gamma < 1, so that elimination is stable without pivots. Not thread-safe.
class PolicySystem {
 public:
  PolicySystem(std::int64_t states, double gamma);

  // Row s of T becomes the [N] numbers at `row(s)`; factorises.
  template <class Row>
  void assign(Row row) {
    for (std::int64_t s = 0; s < size_; ++s) set_row(s, row(s));
    factorise();
  }
  // x of M x = b, or of x M = b, [N], with a step of refinement. In place.
  void solve(double* b) { refine(b, false); }
  void solve_transposed(double* b) { refine(b, true); }

 private:
  void set_row(std::int64_t s, const double* successors);
  void factorise();
  void refine(double* b, bool transposed);
  void substitute(double* b, bool transposed);

  std::int64_t size_;
  double gamma_;
  // Transposed, as are its factors: to solve for values, of which there are most, takes no sums across
  // a vector then.
  std::vector<double> matrix_, lu_, given_, rest_;
  at::Tensor factors_, pivots_;  // LAPACK's, where there are many states
};

}  // namespace saffron::inline sdk_v1::rewards
