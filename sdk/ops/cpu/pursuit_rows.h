#pragma once

#include <saffron/pursuit.h>

#include "ops/cpu/row_sums.h"
#include "ops/cpu/vector.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

// One row's matching pursuit, choice by choice, wherever the correlations come from.

namespace saffron::ops_cpu {

// y += c x
template <class T>
void add_scaled(std::int64_t n, T c, const T* x, T* y) {
  combine(n, {1, &c, &x}, y, y);
}

// Rows of a packed lower triangle: row t begins at t (t + 1) / 2.
template <class T>
T* triangle_row(T* packed, std::int64_t t) {
  return packed + t * (t + 1) / 2;
}

// y <- L^-1 y and y <- L^-T y for the first n rows of a packed lower triangle.
template <class T>
void solve_lower(std::int64_t n, const T* packed, T* y) {
  for (std::int64_t t = 0; t < n; ++t) {
    const T* row = triangle_row(packed, t);
    for (std::int64_t s = 0; s < t; ++s) y[t] -= row[s] * y[s];
    y[t] /= row[t];
  }
}
template <class T>
void solve_upper(std::int64_t n, const T* packed, T* y) {
  for (std::int64_t t = n; t-- > 0;) {
    const T* row = triangle_row(packed, t);
    y[t] /= row[t];
    for (std::int64_t s = 0; s < t; ++s) y[s] -= row[s] * y[t];
  }
}

// What all rows of a call share. Pointers to a row's part are at + row * its width.
template <class T>
struct PursuitTable {
  const ops::PursuitOptions& options;
  std::int64_t d;
  const T *x, *W;
  std::int32_t *count, *latents;  // [B], [B, k]
  T *values, *residual;           // [B, k], [B, d]
  T *factors, *inner;             // orthogonal: [B, k (k + 1) / 2], and L^-1 A x [B, k]
};

template <class T>
class PursuitRow {
 public:
  PursuitRow(const PursuitTable<T>& table, std::int64_t row)
      : table_(table),
        x_(table.x + row * table.d),
        count_(table.count + row),
        latents_(table.latents + row * table.options.k),
        values_(table.values + row * table.options.k),
        residual_(table.residual + row * table.d),
        factor_(table.options.orthogonal
                    ? triangle_row(table.factors, 0) + row * triangle_size(table.options.k)
                    : nullptr),
        inner_(table.options.orthogonal ? table.inner + row * table.options.k : nullptr) {}

  static std::int64_t triangle_size(std::int64_t k) { return k * (k + 1) / 2; }
  [[nodiscard]] std::int64_t count() const { return *count_; }
  [[nodiscard]] const std::int32_t* latents() const { return latents_; }
  [[nodiscard]] const T* values() const { return values_; }

  // Takes the latent of the largest correlation v. Whether the row goes on.
  bool take(std::int32_t latent, T v) {
    if (!(v > T(0))) return false;
    const bool repeated = std::find(latents_, latents_ + *count_, latent) != latents_ + *count_;
    bool more = true;
    if (table_.options.orthogonal) {
      if (repeated || !extend(latent)) return false;
      fit();
    } else {
      latents_[*count_] = latent;
      values_[(*count_)++] = v;
      add_scaled(table_.d, -v, row_of(latent), residual_);
      more = !(repeated && table_.options.stop_at_repeat);
    }
    return more && *count_ < table_.options.k && !within_tolerance();
  }

 private:
  // A latent whose part outside of the chosen ones' span is shorter than this is in it. Its
  // coefficient would be noise: rounding of the dot products over this square.
  static constexpr double kIndependent = 1e3 * std::numeric_limits<T>::epsilon();

  [[nodiscard]] const T* row_of(std::int32_t latent) const { return table_.W + latent * table_.d; }

  [[nodiscard]] bool within_tolerance() const {
    if (table_.options.tolerance <= 0) return false;
    return std::sqrt(static_cast<double>(dot(table_.d, residual_, residual_))) <
           table_.options.tolerance;
  }

  // Another row of the factor, and of L^-1 A x; false where it would be 0.
  bool extend(std::int32_t latent) {
    const std::int64_t t = *count_;
    const T* w = row_of(latent);
    T* row = triangle_row(factor_, t);
    gather();
    inner_products(table_.d, {t, nullptr, rows_.data()}, w, row);
    const T square = dot(table_.d, w, w);
    T rest = square;
    for (std::int64_t s = 0; s < t; ++s) {
      const T* before = triangle_row(factor_, s);
      for (std::int64_t u = 0; u < s; ++u) row[s] -= row[u] * before[u];
      row[s] /= before[s];
      rest -= row[s] * row[s];
    }
    if (!(rest > static_cast<T>(kIndependent) * square)) return false;
    row[t] = std::sqrt(rest);
    T y = dot(table_.d, w, x_);
    for (std::int64_t s = 0; s < t; ++s) y -= row[s] * inner_[s];
    inner_[t] = y / row[t];
    latents_[(*count_)++] = latent;
    return true;
  }

  // Coefficients L^-T L^-1 A x, and the residual.
  void fit() {
    const std::int64_t t = *count_;
    std::copy(inner_, inner_ + t, values_);
    solve_upper(t, factor_, values_);
    gather();
    negative_.assign(values_, values_ + t);
    for (T& c : negative_) c = -c;
    combine(table_.d, {t, negative_.data(), rows_.data()}, x_, residual_);
  }

  void gather() {
    rows_.clear();
    for (std::int32_t s = 0; s < *count_; ++s) rows_.push_back(row_of(latents_[s]));
  }

  const PursuitTable<T>& table_;
  const T* x_;
  std::int32_t *count_, *latents_;
  T *values_, *residual_, *factor_, *inner_;
  std::vector<const T*> rows_;
  std::vector<T> negative_;
};

}  // namespace saffron::ops_cpu
