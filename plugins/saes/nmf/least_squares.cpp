#include "least_squares.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

constexpr int kSweeps = 500;
constexpr std::int64_t kRowsAtOnce = 8;

constexpr double kStill = 1e-9;

// One row; rest = products - f gram is kept up to date.
void solve(double* f, double* rest, const double* gram, const double* norms, std::int64_t latents) {
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    double largest = 0, moved = 0;
    for (std::int64_t i = 0; i < latents; ++i) {
      const double* row = gram + i * latents;
      if (row[i] <= 0) continue;
      const double before = f[i], now = std::max(0.0, before + rest[i] / row[i]);
      largest = std::max(largest, now * norms[i]);
      if (now == before) continue;
      const double step = now - before;
      f[i] = now;
      moved = std::max(moved, std::abs(step) * norms[i]);
      for (std::int64_t j = 0; j < latents; ++j) rest[j] -= step * row[j];
    }
    if (moved <= kStill * largest) return;
  }
}

}  // namespace

at::Tensor non_negative_codes(const at::Tensor& rows, const at::Tensor& dictionary) {
  const at::Tensor x = rows.to(at::kDouble), D = dictionary.to(at::kDouble);
  const at::Tensor gram = D.mm(D.t()), rest = x.mm(D.t());
  const at::Tensor f = at::zeros_like(rest);
  const std::int64_t latents = f.size(1);
  const at::Tensor norms = gram.diagonal().sqrt();
  const auto* g = gram.const_data_ptr<double>();
  const auto* sizes = norms.const_data_ptr<double>();
  auto* out = f.mutable_data_ptr<double>();
  auto* left = rest.mutable_data_ptr<double>();
  at::parallel_for(0, f.size(0), kRowsAtOnce, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      solve(out + r * latents, left + r * latents, g, sizes, latents);
    }
  });
  return f.to(rows.scalar_type());
}

}  // namespace saffron::plugins
