#include "ops/cpu/row_sums.h"

#include "ops/cpu/vector.h"

namespace saffron::ops_cpu {
namespace {

// Vectors of 64 bytes wherever they lie; narrower instruction sets take them in pieces.
template <class T>
struct Wide {
  using Vector [[gnu::vector_size(64), gnu::aligned(alignof(T)), gnu::may_alias]] = T;
  static constexpr int kWidth = static_cast<int>(64 / sizeof(T));
};

// N vectors of columns from `at` on.
template <class T, int N>
[[gnu::always_inline]] inline void combine_columns(std::int64_t at, const GatheredRows<T>& x,
                                                   const T* start, T* y) {
  using Vector = typename Wide<T>::Vector;
  constexpr int kWidth = Wide<T>::kWidth;
  Vector sum[N];
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) {
    sum[i] =
        start != nullptr ? *reinterpret_cast<const Vector*>(start + at + i * kWidth) : Vector{};
  }
  for (std::int64_t j = 0; j < x.count; ++j) {
    const T* row = x.rows[j] + at;
    const T c = x.coefficients[j];
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) sum[i] += c * *reinterpret_cast<const Vector*>(row + i * kWidth);
  }
#pragma GCC unroll 8
  for (int i = 0; i < N; ++i) *reinterpret_cast<Vector*>(y + at + i * kWidth) = sum[i];
}

template <class T>
[[gnu::always_inline]] inline void combine_body(std::int64_t n, const GatheredRows<T>& x,
                                                const T* start, T* y) {
  constexpr int kWidth = Wide<T>::kWidth;
  std::int64_t at = 0;
  for (; at + 8 * kWidth <= n; at += 8 * kWidth) combine_columns<T, 8>(at, x, start, y);
  for (; at + kWidth <= n; at += kWidth) combine_columns<T, 1>(at, x, start, y);
  for (; at < n; ++at) {
    T sum = start != nullptr ? start[at] : T(0);
    for (std::int64_t j = 0; j < x.count; ++j) sum += x.coefficients[j] * x.rows[j][at];
    y[at] = sum;
  }
}

// Adds up lanes by halves, as dot does.
template <class T>
[[gnu::always_inline]] inline T total(T* lanes) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

// R rows from rows[first] on.
template <class T, int R>
[[gnu::always_inline]] inline void products_of(std::int64_t n, std::int64_t first,
                                               const GatheredRows<T>& x, const T* y, T* out) {
  using Vector = typename Wide<T>::Vector;
  constexpr int kWidth = Wide<T>::kWidth, kParts = kLanes / kWidth;
  Vector sum[R][kParts] = {};
  std::int64_t at = 0;
  for (; at + kLanes <= n; at += kLanes) {
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
      const Vector held = *reinterpret_cast<const Vector*>(y + at + p * kWidth);
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        sum[r][p] += held * *reinterpret_cast<const Vector*>(x.rows[first + r] + at + p * kWidth);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    T tail = 0;
    for (std::int64_t i = at; i < n; ++i) tail += x.rows[first + r][i] * y[i];
    T lanes[kLanes];
    for (int p = 0; p < kParts; ++p) {
      *reinterpret_cast<Vector*>(lanes + p * kWidth) = sum[r][p];
    }
    out[first + r] = total(lanes) + tail;
  }
}

template <class T>
[[gnu::always_inline]] inline void products_body(std::int64_t n, const GatheredRows<T>& x,
                                                 const T* y, T* out) {
  std::int64_t first = 0;
  for (; first + 4 <= x.count; first += 4) products_of<T, 4>(n, first, x, y, out);
  for (; first < x.count; ++first) products_of<T, 1>(n, first, x, y, out);
}

}  // namespace

SAFFRON_CLONES void combine(std::int64_t n, const GatheredRows<float>& x, const float* start,
                            float* y) {
  combine_body(n, x, start, y);
}
SAFFRON_CLONES void combine(std::int64_t n, const GatheredRows<double>& x, const double* start,
                            double* y) {
  combine_body(n, x, start, y);
}
SAFFRON_CLONES void inner_products(std::int64_t n, const GatheredRows<float>& x, const float* y,
                                   float* out) {
  products_body(n, x, y, out);
}
SAFFRON_CLONES void inner_products(std::int64_t n, const GatheredRows<double>& x, const double* y,
                                   double* out) {
  products_body(n, x, y, out);
}

}  // namespace saffron::ops_cpu
