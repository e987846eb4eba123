#include "generator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/special_ndtr.h>

namespace saffron::plugins {
namespace {

constexpr float kHalfStep = 0x1p-25f;  // centres the 2^24 values of a uniform
const at::TensorOptions kDoubles = at::TensorOptions().dtype(at::kDouble);

// Rows of z mixing have covariance A A^T, or A A^T scaled to unit diagonal.
at::Tensor mixing_of(const at::Tensor& a, bool unit_diagonal) {
  const at::Tensor rows = unit_diagonal ? a / a.norm(2, at::IntArrayRef{1}, true) : a;
  return rows.t().contiguous().to(at::kFloat);
}

// A with A A^T = S of the correlated generator.
at::Tensor correlated_root(std::int64_t n, Random random) {
  const at::Tensor u = random.uniform_rows(0, n, n, at::kDouble);
  at::Tensor s = (u + u.t()) / 2;
  const double lowest = at::linalg_eigvalsh(s).min().item<double>();
  if (lowest < 0) s = s - 1.001 * lowest * at::eye(n, kDoubles);
  return at::linalg_cholesky(s);
}

}  // namespace

Bernoulli::Bernoulli(const GeneratorSettings& settings, Random random)
    : Generator(settings),
      normals_(random.fork("normals")),
      presence_(random.fork("presence")),
      strength_(random.fork("strength")),
      filler_(random.fork("filler")) {
  const std::int64_t n = settings_.features;
  const at::Tensor i = at::arange(n, kDoubles);
  exponent_ = (i * settings_.decay).to(at::kFloat);
  falloff_ = at::pow(settings_.decay, i).to(at::kFloat);
  const bool unit_diagonal = settings_.semantics == Semantics::intended;
  const Random mixing = random.fork("mixing");
  if (settings_.kind == Kind::flat) {
    mixing_ = mixing_of(mixing.normal_rows(0, n, n, at::kDouble), unit_diagonal);
  } else if (settings_.kind == Kind::correlated) {
    mixing_ = mixing_of(correlated_root(n, mixing), unit_diagonal);
  }
}

at::Tensor Bernoulli::rescale(const at::Tensor& p) const {
  return (p * (settings_.active / p.sum(1, true))).clamp_(0, 1);
}

at::Tensor Bernoulli::probabilities(std::int64_t first, std::int64_t count) const {
  if (settings_.kind == Kind::uncorrelated) {
    const at::Tensor p = falloff_.unsqueeze(0);
    const at::Tensor scaled =
        settings_.semantics == Semantics::intended
            ? rescale(p)
            : (p * (settings_.active / static_cast<double>(settings_.features))).clamp(0, 1);
    return scaled.expand({count, settings_.features});
  }
  const bool shared =
      settings_.kind == Kind::correlated && settings_.semantics == Semantics::as_published;
  const std::int64_t share = shared ? settings_.shared_rows : 1;
  const std::int64_t from = first / share, to = (first + count - 1) / share + 1;
  const at::Tensor a = at::mm(normals_.normal_rows(from, to - from, settings_.features), mixing_);
  at::Tensor p = at::special_ndtr(a);
  if (settings_.kind == Kind::flat) {
    // Phi^(decay i), 0^0 = 1; kept above denormal numbers, which are slow.
    p = (p.clamp_min_(1e-30).log_() * exponent_).clamp_min_(-80).exp_();
  } else {
    p = p * falloff_;
  }
  p = rescale(p);
  if (!shared) return p;
  const at::Tensor rows = at::arange(first, first + count, at::TensorOptions().dtype(at::kLong));
  return p.index_select(0, rows.div(share, "floor") - from);
}

SparseRows Bernoulli::draw_chunk(std::int64_t first, std::int64_t count) const {
  const std::int64_t n = settings_.features;
  const at::Tensor p = probabilities(first, count).contiguous();
  const at::Tensor u = presence_.uniform_rows(first, count, n);
  const float* chance = p.const_data_ptr<float>();
  const float* uniform = u.const_data_ptr<float>();
  const bool fill = settings_.kind == Kind::correlated;
  SparseRows rows;
  for (std::int64_t r = 0; r < count; ++r) {
    const auto row = static_cast<std::uint64_t>(first + r);
    bool empty = true;
    for (std::int64_t i = 0; i < n; ++i) {
      if (uniform[r * n + i] + kHalfStep < chance[r * n + i]) {
        rows.add(i, strength_.uniform(row, static_cast<std::uint64_t>(i)));
        empty = false;
      }
    }
    if (fill && empty) {
      rows.add(static_cast<std::int64_t>(filler_.below(static_cast<std::uint64_t>(n), row)), 1.0);
    }
    rows.end_row();
  }
  return rows;
}

}  // namespace saffron::plugins
