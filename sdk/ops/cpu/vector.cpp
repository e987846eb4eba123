#include "ops/cpu/vector.h"

#include <cmath>

namespace saffron::ops_cpu {
namespace {

template <class T>
[[gnu::always_inline]] inline void axpy_body(std::int64_t n, T a, const T* __restrict x,
                                             T* __restrict y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

template <class T>
[[gnu::always_inline]] inline T dot_body(std::int64_t n, const T* __restrict x,
                                         const T* __restrict y) {
  T lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) lanes[j] += x[i + j] * y[i + j];
  }
  T tail = 0;
  for (; i < n; ++i) tail += x[i] * y[i];
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0] + tail;
}

template <class T>
[[gnu::always_inline]] inline bool any_above_body(const T* __restrict x, const T* __restrict b,
                                                  T bound) {
  int any = 0;
  if (b != nullptr) {
    for (int j = 0; j < kLanes; ++j) any |= !(x[j] + b[j] <= bound);
  } else {
    for (int j = 0; j < kLanes; ++j) any |= !(x[j] <= bound);
  }
  return any != 0;
}

template <class T>
[[gnu::always_inline]] inline void adam_body(std::int64_t n, const T* __restrict g, T* __restrict w,
                                             T* __restrict m, T* __restrict v,
                                             const AdamScalars& s) {
  const T beta1 = static_cast<T>(s.beta1), beta2 = static_cast<T>(s.beta2);
  const T rest1 = static_cast<T>(1 - s.beta1), rest2 = static_cast<T>(1 - s.beta2);
  const T step = static_cast<T>(s.step_size), eps = static_cast<T>(s.eps);
  const T root = static_cast<T>(1 / s.root_correction), keep = static_cast<T>(1 - s.decay);
  const T scale = static_cast<T>(s.scale);
  for (std::int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] * scale;
    m[i] = beta1 * m[i] + rest1 * gradient;
    v[i] = beta2 * v[i] + rest2 * gradient * gradient;
    w[i] = keep * w[i] - step * m[i] / (std::sqrt(v[i]) * root + eps);
  }
}

}  // namespace

SAFFRON_CLONES void axpy(std::int64_t n, float a, const float* x, float* y) {
  axpy_body(n, a, x, y);
}
SAFFRON_CLONES void axpy(std::int64_t n, double a, const double* x, double* y) {
  axpy_body(n, a, x, y);
}
SAFFRON_CLONES float dot(std::int64_t n, const float* x, const float* y) {
  return dot_body(n, x, y);
}
SAFFRON_CLONES double dot(std::int64_t n, const double* x, const double* y) {
  return dot_body(n, x, y);
}
SAFFRON_CLONES bool any_above(const float* x, const float* b, float bound) {
  return any_above_body(x, b, bound);
}
SAFFRON_CLONES bool any_above(const double* x, const double* b, double bound) {
  return any_above_body(x, b, bound);
}
SAFFRON_CLONES void adam_row(std::int64_t n, const float* g, float* w, float* m, float* v,
                             const AdamScalars& s) {
  adam_body(n, g, w, m, v, s);
}
SAFFRON_CLONES void adam_row(std::int64_t n, const double* g, double* w, double* m, double* v,
                             const AdamScalars& s) {
  adam_body(n, g, w, m, v, s);
}

}  // namespace saffron::ops_cpu
