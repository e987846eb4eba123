#include "level_sums.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kGrain = 16;  // rows a task

// run(row) for all rows, in parallel.
template <class Run>
void for_rows(std::int64_t rows, Run&& run) {
  at::parallel_for(0, rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) run(r);
  });
}

template <class T>
void add(std::int64_t d, const T* a, const T* b, T* sum) {
  for (std::int64_t i = 0; i < d; ++i) sum[i] = a[i] + b[i];
}

// e += before (an error too, with the same x);  returns ||e||^2.
template <class T>
double add_to_error(std::int64_t d, const T* before, T* e) {
  T squares[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= d; i += 8) {
    for (std::int64_t lane = 0; lane < 8; ++lane) {
      const T value = e[i + lane] + before[i + lane];
      e[i + lane] = value;
      squares[lane] += value * value;
    }
  }
  double sum = 0;
  for (const T square : squares) sum += static_cast<double>(square);
  for (; i < d; ++i) {
    e[i] += before[i];
    sum += static_cast<double>(e[i]) * static_cast<double>(e[i]);
  }
  return sum;
}

}  // namespace

at::Tensor sum_of_levels(const at::Tensor& parts, const at::Tensor& b) {
  const std::int64_t m = parts.size(1), d = parts.size(2);
  at::Tensor out = at::empty({parts.size(0), d}, parts.options());
  const at::Tensor start = b.contiguous();
  AT_DISPATCH_FLOATING_TYPES(parts.scalar_type(), "sum_of_levels", [&] {
    const auto* from = parts.const_data_ptr<scalar_t>();
    auto* to = out.mutable_data_ptr<scalar_t>();
    for_rows(parts.size(0), [&](std::int64_t r) {
      add(d, from + r * m * d, start.const_data_ptr<scalar_t>(), to + r * d);
      for (std::int64_t j = 1; j < m; ++j) add(d, to + r * d, from + (r * m + j) * d, to + r * d);
    });
  });
  return out;
}

at::Tensor become_errors(at::Tensor& parts, const at::Tensor& b, const at::Tensor& x,
                         const at::Tensor& s, const std::vector<double>& w) {
  const std::int64_t m = parts.size(1), d = parts.size(2);
  const at::Tensor first = b - x;  // the error of nothing
  at::Tensor squares = at::empty({parts.size(0)}, parts.options().dtype(at::kDouble));
  AT_DISPATCH_FLOATING_TYPES(parts.scalar_type(), "become_errors", [&] {
    auto* e = parts.mutable_data_ptr<scalar_t>();
    const auto* before = first.const_data_ptr<scalar_t>();
    auto* sums = squares.mutable_data_ptr<double>();
    for_rows(parts.size(0), [&](std::int64_t r) {
      sums[r] = 0;
      for (std::int64_t j = 0; j < m; ++j) {
        scalar_t* const level = e + (r * m + j) * d;
        const double square = add_to_error(d, j == 0 ? before + r * d : level - d, level);
        if (j + 1 < m) sums[r] += w[static_cast<std::size_t>(j)] * square;
      }
    });
  });
  if (s.defined()) squares = squares * s.flatten().square();
  return squares.mean().to(parts.scalar_type());
}

void become_gradients(at::Tensor& errors, const std::vector<double>& w, const at::Tensor& s,
                      const at::Tensor& g) {
  const std::int64_t m = errors.size(1), d = errors.size(2);
  const at::Tensor outer = g.defined() ? g.contiguous() : g;
  const at::Tensor squares = s.defined() ? s.flatten().square().contiguous() : s;
  AT_DISPATCH_FLOATING_TYPES(errors.scalar_type(), "become_gradients", [&] {
    auto* const all = errors.mutable_data_ptr<scalar_t>();
    const auto* const of_rows = squares.defined() ? squares.const_data_ptr<scalar_t>() : nullptr;
    for_rows(errors.size(0), [&](std::int64_t r) {
      const scalar_t of_row = of_rows != nullptr ? of_rows[r] : scalar_t(1);
      scalar_t* const last = all + (r * m + m - 1) * d;
      if (outer.defined()) {
        std::copy_n(outer.const_data_ptr<scalar_t>() + r * d, d, last);
      } else {
        std::fill_n(last, d, scalar_t(0));
      }
      for (std::int64_t j = m - 2; j >= 0; --j) {  // a part is in all levels from its own on
        scalar_t* const level = all + (r * m + j) * d;
        const scalar_t weight = of_row * static_cast<scalar_t>(w[static_cast<std::size_t>(j)]);
        for (std::int64_t i = 0; i < d; ++i) level[i] = level[i] * weight + level[i + d];
      }
    });
  });
}

}  // namespace saffron::plugins
