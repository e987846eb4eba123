#include "ops/cpu/optimiser.h"

#include "ops/cpu/vector.h"

#include <limits>

// A square root that may set errno is not vectorised.
#pragma GCC optimize("no-math-errno")

namespace saffron::ops_cpu {
namespace {

[[gnu::always_inline]] inline float root(float x) { return __builtin_sqrtf(x); }
[[gnu::always_inline]] inline double root(double x) { return __builtin_sqrt(x); }

template <class T>
[[gnu::always_inline]] inline void project_body(std::int64_t n, const T* __restrict w,
                                                T* __restrict g) {
  const T along = dot(n, g, w);
  for (std::int64_t i = 0; i < n; ++i) g[i] -= along * w[i];
}

template <class T>
[[gnu::always_inline]] inline void normalise_body(std::int64_t n, T* w) {
  const T norm = root(dot(n, w, w));
  if (!(norm >= std::numeric_limits<T>::min())) return;
  const T scale = 1 / norm;
  for (std::int64_t i = 0; i < n; ++i) w[i] *= scale;
}

template <class T>
[[gnu::always_inline]] inline void clamp_body(std::int64_t n, T* w) {
  for (std::int64_t i = 0; i < n; ++i) w[i] = w[i] < T(0) ? T(0) : w[i];
}

template <class T>
[[gnu::always_inline]] inline void adam_body(std::int64_t n, const T* __restrict g, T* __restrict w,
                                             T* __restrict m, T* __restrict v,
                                             const AdamScalars& s) {
  const T beta1 = static_cast<T>(s.beta1), beta2 = static_cast<T>(s.beta2);
  const T rest1 = static_cast<T>(1 - s.beta1), rest2 = static_cast<T>(1 - s.beta2);
  const T step = static_cast<T>(s.step_size), eps = static_cast<T>(s.eps);
  const T correction = static_cast<T>(1 / s.root_correction), keep = static_cast<T>(1 - s.decay);
  const T scale = static_cast<T>(s.scale);
  const auto element = [&](std::int64_t i) {
    const T gradient = g[i] * scale;
    m[i] = beta1 * m[i] + rest1 * gradient;
    v[i] = beta2 * v[i] + rest2 * gradient * gradient;
    w[i] = keep * w[i] - step * m[i] / (root(v[i]) * correction + eps);
  };
  // Rows follow one another in memory: while one is stepped the next one is on its way.
  constexpr std::int64_t kLine = 64 / sizeof(T);
  std::int64_t i = 0;
  for (; i + kLine <= n; i += kLine) {
    __builtin_prefetch(w + i + n, 1);
    __builtin_prefetch(m + i + n, 1);
    __builtin_prefetch(v + i + n, 1);
    for (std::int64_t j = i; j < i + kLine; ++j) element(j);
  }
  for (; i < n; ++i) element(i);
}

template <class T>
[[gnu::always_inline]] inline void signum_body(std::int64_t n, const T* __restrict g,
                                               T* __restrict w, T* __restrict m,
                                               const SignumScalars& s) {
  const T beta = static_cast<T>(s.beta), rest = static_cast<T>((1 - s.beta) * s.scale);
  const T step = static_cast<T>(s.step_size), keep = static_cast<T>(1 - s.decay);
  for (std::int64_t i = 0; i < n; ++i) {
    m[i] = beta * m[i] + rest * g[i];
    const T sign = m[i] > T(0) ? step : (m[i] < T(0) ? -step : T(0));
    w[i] = keep * w[i] - sign;
  }
}

}  // namespace

SAFFRON_CLONES void project(std::int64_t n, const float* w, float* g) { project_body(n, w, g); }
SAFFRON_CLONES void project(std::int64_t n, const double* w, double* g) { project_body(n, w, g); }
SAFFRON_CLONES void normalise(std::int64_t n, float* w) { normalise_body(n, w); }
SAFFRON_CLONES void normalise(std::int64_t n, double* w) { normalise_body(n, w); }
SAFFRON_CLONES void clamp_at_zero(std::int64_t n, float* w) { clamp_body(n, w); }
SAFFRON_CLONES void clamp_at_zero(std::int64_t n, double* w) { clamp_body(n, w); }
SAFFRON_CLONES void adam_row(std::int64_t n, const float* g, float* w, float* m, float* v,
                             const AdamScalars& s) {
  adam_body(n, g, w, m, v, s);
}
SAFFRON_CLONES void adam_row(std::int64_t n, const double* g, double* w, double* m, double* v,
                             const AdamScalars& s) {
  adam_body(n, g, w, m, v, s);
}
SAFFRON_CLONES void signum_row(std::int64_t n, const float* g, float* w, float* m,
                               const SignumScalars& s) {
  signum_body(n, g, w, m, s);
}
SAFFRON_CLONES void signum_row(std::int64_t n, const double* g, double* w, double* m,
                               const SignumScalars& s) {
  signum_body(n, g, w, m, s);
}

}  // namespace saffron::ops_cpu
