#include "ops/cpu/optimiser.h"

#include "ops/cpu/vector.h"

#include <algorithm>
#include <bit>
#include <limits>

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

// How a moment lies in memory: as what it is reckoned in,
template <class T>
struct Whole {
  using Kept = T;
  using Read = T;
  static T read(T kept) { return kept; }
  T first(T m, std::uint32_t) const { return m; }
  T second(T v, std::uint32_t) const { return v; }
};

// or as the upper half of a float32, rounded stochastically: adding a uniform number to the half that
// goes carries with just that probability. One draw serves both moments.
struct UpperHalf {
  using Kept = std::uint16_t;
  using Read = float;
  std::uint32_t noise;

  [[gnu::always_inline]] static float read(Kept kept) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(kept) << 16U);
  }
  // The finaliser of MurmurHash3.
  [[gnu::always_inline]] std::uint32_t draw(std::uint32_t i) const {
    std::uint32_t x = i * 0x9e3779b1U + noise;
    x = (x ^ (x >> 16U)) * 0x85ebca6bU;
    x = (x ^ (x >> 13U)) * 0xc2b2ae35U;
    return x ^ (x >> 16U);
  }
  [[gnu::always_inline]] Kept first(float m, std::uint32_t i) const {
    return static_cast<Kept>((std::bit_cast<std::uint32_t>(m) + (draw(i) & 0xffffU)) >> 16U);
  }
  [[gnu::always_inline]] Kept second(float v, std::uint32_t i) const {
    return static_cast<Kept>((std::bit_cast<std::uint32_t>(v) + (draw(i) >> 16U)) >> 16U);
  }
};

template <class T, class Moments>
[[gnu::always_inline]] inline void adam_body(std::int64_t n, const T* __restrict g, T* __restrict w,
                                             typename Moments::Kept* __restrict m,
                                             typename Moments::Kept* __restrict v,
                                             const AdamScalars& s, const Moments moments) {
  const T beta1 = static_cast<T>(s.beta1), beta2 = static_cast<T>(s.beta2);
  const T rest1 = static_cast<T>(1 - s.beta1), rest2 = static_cast<T>(1 - s.beta2);
  const T step = static_cast<T>(s.step_size), eps = static_cast<T>(s.eps);
  const T correction = static_cast<T>(1 / s.root_correction), keep = static_cast<T>(1 - s.decay);
  const T scale = static_cast<T>(s.scale);
  const auto element = [&](std::int64_t i) {
    const T gradient = g[i] * scale;
    const T first = beta1 * moments.read(m[i]) + rest1 * gradient;
    const T second = beta2 * moments.read(v[i]) + rest2 * gradient * gradient;
    m[i] = moments.first(static_cast<typename Moments::Read>(first), static_cast<std::uint32_t>(i));
    v[i] =
        moments.second(static_cast<typename Moments::Read>(second), static_cast<std::uint32_t>(i));
    w[i] = keep * w[i] - step * first / (root(second) * correction + eps);
  };
  // Rows follow one another in memory: while one is stepped the next one is on its way.
  constexpr std::int64_t kChunk = 256, kLine = 64;
  constexpr std::int64_t kOfParameter = kLine / sizeof(T);
  constexpr std::int64_t kOfMoments = kLine / sizeof(typename Moments::Kept);
  for (std::int64_t begin = 0; begin < n; begin += kChunk) {
    const std::int64_t end = std::min(n, begin + kChunk);
    for (std::int64_t i = begin; i < end; i += kOfParameter) __builtin_prefetch(w + i + n, 1);
    for (std::int64_t i = begin; i < end; i += kOfMoments) {
      __builtin_prefetch(m + i + n, 1);
      __builtin_prefetch(v + i + n, 1);
    }
    for (std::int64_t i = begin; i < end; ++i) element(i);
  }
}

template <class T, class Moments>
[[gnu::always_inline]] inline void signum_body(std::int64_t n, const T* __restrict g,
                                               T* __restrict w,
                                               typename Moments::Kept* __restrict m,
                                               const SignumScalars& s, const Moments moments) {
  const T beta = static_cast<T>(s.beta), rest = static_cast<T>((1 - s.beta) * s.scale);
  const T step = static_cast<T>(s.step_size), keep = static_cast<T>(1 - s.decay);
  for (std::int64_t i = 0; i < n; ++i) {
    const T first = beta * moments.read(m[i]) + rest * g[i];
    m[i] = moments.first(static_cast<typename Moments::Read>(first), static_cast<std::uint32_t>(i));
    const T sign = first > T(0) ? step : (first < T(0) ? -step : T(0));
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
  adam_body(n, g, w, m, v, s, Whole<float>());
}
SAFFRON_CLONES void adam_row(std::int64_t n, const double* g, double* w, double* m, double* v,
                             const AdamScalars& s) {
  adam_body(n, g, w, m, v, s, Whole<double>());
}
SAFFRON_CLONES void adam_row(std::int64_t n, const float* g, float* w, std::uint16_t* m,
                             std::uint16_t* v, const AdamScalars& s, std::uint32_t noise) {
  adam_body(n, g, w, m, v, s, UpperHalf{noise});
}
SAFFRON_CLONES void adam_row(std::int64_t n, const double* g, double* w, std::uint16_t* m,
                             std::uint16_t* v, const AdamScalars& s, std::uint32_t noise) {
  adam_body(n, g, w, m, v, s, UpperHalf{noise});
}
SAFFRON_CLONES void signum_row(std::int64_t n, const float* g, float* w, float* m,
                               const SignumScalars& s) {
  signum_body(n, g, w, m, s, Whole<float>());
}
SAFFRON_CLONES void signum_row(std::int64_t n, const double* g, double* w, double* m,
                               const SignumScalars& s) {
  signum_body(n, g, w, m, s, Whole<double>());
}
SAFFRON_CLONES void signum_row(std::int64_t n, const float* g, float* w, std::uint16_t* m,
                               const SignumScalars& s, std::uint32_t noise) {
  signum_body(n, g, w, m, s, UpperHalf{noise});
}
SAFFRON_CLONES void signum_row(std::int64_t n, const double* g, double* w, std::uint16_t* m,
                               const SignumScalars& s, std::uint32_t noise) {
  signum_body(n, g, w, m, s, UpperHalf{noise});
}

}  // namespace saffron::ops_cpu
