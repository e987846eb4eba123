#include "least_squares.h"

#include <saffron/error.h>

#include <ATen/Parallel.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

namespace saffron::plugins {
namespace {

constexpr int kSweeps = 500;
constexpr std::int64_t kRowsAtOnce = 8;

template <class T>
constexpr T kStill = std::is_same_v<T, double> ? T(1e-9) : T(1e-5);

// One row; rest = products - f gram is kept up to date.
template <class T>
void solve(T* f, T* rest, const T* gram, const T* norms, std::int64_t latents) {
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    T largest = 0, moved = 0;
    for (std::int64_t i = 0; i < latents; ++i) {
      const T* row = gram + i * latents;
      if (row[i] <= 0) continue;
      const T before = f[i], now = std::max(T(0), before + rest[i] / row[i]);
      largest = std::max(largest, now * norms[i]);
      if (now == before) continue;
      const T step = now - before;
      f[i] = now;
      moved = std::max(moved, std::abs(step) * norms[i]);
      for (std::int64_t j = 0; j < latents; ++j) rest[j] -= step * row[j];
    }
    if (moved <= kStill<T> * largest) return;
  }
}

template <class T>
at::Tensor solve_rows(const at::Tensor& products, const at::Tensor& gram) {
  const std::int64_t rows = products.size(0), latents = products.size(1);
  at::Tensor f = at::zeros_like(products), rest = products.clone();
  std::vector<T> norms(static_cast<std::size_t>(latents));
  const T* g = gram.const_data_ptr<T>();
  for (std::int64_t i = 0; i < latents; ++i) {
    norms[static_cast<std::size_t>(i)] = std::sqrt(std::max(g[i * latents + i], T(0)));
  }
  T* out = f.mutable_data_ptr<T>();
  T* left = rest.mutable_data_ptr<T>();
  at::parallel_for(0, rows, kRowsAtOnce, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      solve(out + r * latents, left + r * latents, g, norms.data(), latents);
    }
  });
  return f;
}

}  // namespace

at::Tensor non_negative_codes(const at::Tensor& products, const at::Tensor& gram) {
  const at::Tensor p = products.contiguous(), g = gram.contiguous();
  if (p.scalar_type() == at::kDouble) return solve_rows<double>(p, g);
  if (p.scalar_type() == at::kFloat) return solve_rows<float>(p, g);
  throw Error(cat("nmf computes in float32 or float64, not in ", p.scalar_type()));
}

}  // namespace saffron::plugins
