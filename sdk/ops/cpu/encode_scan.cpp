#include "ops/cpu/encode_scan.h"

#include "ops/cpu/vector.h"

#include <immintrin.h>

#include <cmath>
#include <limits>
#include <type_traits>

namespace saffron::ops_cpu {
namespace {

// What a rank is compared with: one bound, or one a place.
template <class T>
struct OneBound {
  T bound;
  bool magnitude;
  [[gnu::always_inline]] T at(std::int64_t) const { return bound; }
};
template <class T>
struct OwnBounds {
  const T* bounds;
  static constexpr bool magnitude = false;
  [[gnu::always_inline]] T at(std::int64_t j) const { return bounds[j]; }
};

template <class T>
struct Scan {
  std::int64_t n;
  const T *products, *bias, *scale;
  std::int32_t first;
  T* values;
  std::int32_t* places;
};

// Without AVX-512: runs of kLanes are passed over together; in another every value is written and
// the end moves on behind those that stay, which has no branch to mispredict.
template <class T, class Bounds>
[[gnu::always_inline]] inline Compressed compress_body(const Scan<T>& s, Bounds bounds) {
  Compressed found{0, false};
  const auto run = [&](std::int64_t begin, std::int64_t end) __attribute__((always_inline)) {
    for (std::int64_t j = begin; j < end; ++j) {
      const T a = (s.products[j] + s.bias[j]) * s.scale[j];
      const T rank = bounds.magnitude ? std::abs(a) : a;
      s.values[found.count] = a;
      s.places[found.count] = s.first + static_cast<std::int32_t>(j);
      found.count += !(rank <= bounds.at(j));
      found.nan |= a != a;
    }
  };
  std::int64_t j = 0;
  for (; j + kLanes <= s.n; j += kLanes) {
    int any = 0;
    for (std::int64_t i = j; i < j + kLanes; ++i) {
      const T a = (s.products[i] + s.bias[i]) * s.scale[i];
      any |= !((bounds.magnitude ? std::abs(a) : a) <= bounds.at(i));
    }
    if (any != 0) run(j, j + kLanes);
  }
  run(j, s.n);
  return found;
}

SAFFRON_CLONES Compressed compress_any(const Scan<float>& s, OneBound<float> b) {
  return compress_body(s, b);
}
SAFFRON_CLONES Compressed compress_any(const Scan<double>& s, OneBound<double> b) {
  return compress_body(s, b);
}
SAFFRON_CLONES Compressed compress_any(const Scan<float>& s, OwnBounds<float> b) {
  return compress_body(s, b);
}
SAFFRON_CLONES Compressed compress_any(const Scan<double>& s, OwnBounds<double> b) {
  return compress_body(s, b);
}

#define SAFFRON_AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,popcnt")))

// One register of values. Compressing in a register and storing the whole of it is
// faster than compressing to memory on every processor that has either.
struct WideFloat {
  using Float = float;
  using Vector = __m512;
  using Mask = __mmask16;
  static constexpr std::int64_t kWidth = 16;
  SAFFRON_AVX512 static Vector load(const float* p) { return _mm512_loadu_ps(p); }
  SAFFRON_AVX512 static Vector load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  SAFFRON_AVX512 static Vector all(float x) { return _mm512_set1_ps(x); }
  SAFFRON_AVX512 static Vector affine(Vector a, Vector b, Vector s) {
    return _mm512_mul_ps(_mm512_add_ps(a, b), s);
  }
  SAFFRON_AVX512 static Vector abs(Vector a) { return _mm512_abs_ps(a); }
  SAFFRON_AVX512 static Mask above(Vector a, Vector b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_NLE_UQ);
  }
  SAFFRON_AVX512 static Mask nan(Vector a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
  SAFFRON_AVX512 static void store(Mask m, Vector a, std::int32_t place, float* v,
                                   std::int32_t* p) {
    const __m512i step = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    _mm512_storeu_ps(v, _mm512_maskz_compress_ps(m, a));
    _mm512_storeu_si512(
        p, _mm512_maskz_compress_epi32(m, _mm512_add_epi32(step, _mm512_set1_epi32(place))));
  }
};
struct WideDouble {
  using Float = double;
  using Vector = __m512d;
  using Mask = __mmask8;
  static constexpr std::int64_t kWidth = 8;
  SAFFRON_AVX512 static Vector load(const double* p) { return _mm512_loadu_pd(p); }
  SAFFRON_AVX512 static Vector load(const double* p, Mask m) { return _mm512_maskz_loadu_pd(m, p); }
  SAFFRON_AVX512 static Vector all(double x) { return _mm512_set1_pd(x); }
  SAFFRON_AVX512 static Vector affine(Vector a, Vector b, Vector s) {
    return _mm512_mul_pd(_mm512_add_pd(a, b), s);
  }
  SAFFRON_AVX512 static Vector abs(Vector a) { return _mm512_abs_pd(a); }
  SAFFRON_AVX512 static Mask above(Vector a, Vector b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_NLE_UQ);
  }
  SAFFRON_AVX512 static Mask nan(Vector a) { return _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q); }
  SAFFRON_AVX512 static void store(Mask m, Vector a, std::int32_t place, double* v,
                                   std::int32_t* p) {
    const __m256i step = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
    _mm512_storeu_pd(v, _mm512_maskz_compress_pd(m, a));
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(p),
        _mm256_maskz_compress_epi32(m, _mm256_add_epi32(step, _mm256_set1_epi32(place))));
  }
};

// A bound as a vector, for the place j on.
template <class V, class T>
SAFFRON_AVX512 inline typename V::Vector bound_at(OneBound<T> b, std::int64_t) {
  return V::all(b.bound);
}
template <class V, class T>
SAFFRON_AVX512 inline typename V::Vector bound_at(OwnBounds<T> b, std::int64_t j) {
  return V::load(b.bounds + j);
}
template <class V, class T>
SAFFRON_AVX512 inline typename V::Vector bound_at(OneBound<T> b, std::int64_t, typename V::Mask) {
  return V::all(b.bound);
}
template <class V, class T>
SAFFRON_AVX512 inline typename V::Vector bound_at(OwnBounds<T> b, std::int64_t j,
                                                  typename V::Mask m) {
  return V::load(b.bounds + j, m);
}

template <class V, class Bounds>
SAFFRON_AVX512 inline Compressed compress_wide(const Scan<typename V::Float>& s, Bounds bounds) {
  constexpr int kUnroll = 4;
  Compressed found{0, false};
  std::int64_t j = 0;
  for (; j + kUnroll * V::kWidth <= s.n; j += kUnroll * V::kWidth) {
    typename V::Vector a[kUnroll];
    typename V::Mask taken[kUnroll];
    unsigned any = 0;
#pragma GCC unroll 4
    for (int u = 0; u < kUnroll; ++u) {
      const std::int64_t i = j + u * V::kWidth;
      a[u] = V::affine(V::load(s.products + i), V::load(s.bias + i), V::load(s.scale + i));
      taken[u] = V::above(bounds.magnitude ? V::abs(a[u]) : a[u], bound_at<V>(bounds, i));
      any |= taken[u];
    }
    if (any == 0) continue;
#pragma GCC unroll 4
    for (int u = 0; u < kUnroll; ++u) {
      const auto place = s.first + static_cast<std::int32_t>(j + u * V::kWidth);
      V::store(taken[u], a[u], place, s.values + found.count, s.places + found.count);
      found.count += __builtin_popcount(taken[u]);
      found.nan |= V::nan(a[u]) != 0;
    }
  }
  for (; j < s.n; j += V::kWidth) {
    const std::int64_t left = s.n - j < V::kWidth ? s.n - j : V::kWidth;
    const auto in = static_cast<typename V::Mask>((1U << left) - 1U);
    const auto a =
        V::affine(V::load(s.products + j, in), V::load(s.bias + j, in), V::load(s.scale + j, in));
    const auto taken = static_cast<typename V::Mask>(
        V::above(bounds.magnitude ? V::abs(a) : a, bound_at<V>(bounds, j, in)) & in);
    V::store(taken, a, s.first + static_cast<std::int32_t>(j), s.values + found.count,
             s.places + found.count);
    found.count += __builtin_popcount(taken);
    found.nan |= (V::nan(a) & in) != 0;
  }
  return found;
}

bool has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("popcnt");
  return has;
}

template <class T, class Bounds>
Compressed choose(const Scan<T>& s, Bounds bounds) {
  using Wide = std::conditional_t<sizeof(T) == sizeof(float), WideFloat, WideDouble>;
  return has_avx512() ? compress_wide<Wide>(s, bounds) : compress_any(s, bounds);
}

template <class T>
[[gnu::always_inline]] inline void maxima_body(std::int64_t n, const T* products, const T* bias,
                                               const T* scale, bool magnitude, std::int64_t groups,
                                               T* best) {
  for (std::int64_t g = 0; g < groups; ++g) best[g] = -std::numeric_limits<T>::infinity();
  for (std::int64_t begin = 0; begin < n; begin += groups) {
    const std::int64_t width = n - begin < groups ? n - begin : groups;
    for (std::int64_t g = 0; g < width; ++g) {
      const T a = (products[begin + g] + bias[begin + g]) * scale[begin + g];
      const T rank = magnitude ? std::abs(a) : a;
      best[g] = rank > best[g] ? rank : best[g];
    }
  }
}

}  // namespace

Compressed compress(std::int64_t n, const float* products, const float* bias, const float* scale,
                    float bound, bool magnitude, std::int32_t first, float* values,
                    std::int32_t* places) {
  return choose(Scan<float>{n, products, bias, scale, first, values, places},
                OneBound<float>{bound, magnitude});
}
Compressed compress(std::int64_t n, const double* products, const double* bias, const double* scale,
                    double bound, bool magnitude, std::int32_t first, double* values,
                    std::int32_t* places) {
  return choose(Scan<double>{n, products, bias, scale, first, values, places},
                OneBound<double>{bound, magnitude});
}
Compressed compress(std::int64_t n, const float* products, const float* bias, const float* scale,
                    const float* bounds, std::int32_t first, float* values, std::int32_t* places) {
  return choose(Scan<float>{n, products, bias, scale, first, values, places},
                OwnBounds<float>{bounds});
}
Compressed compress(std::int64_t n, const double* products, const double* bias, const double* scale,
                    const double* bounds, std::int32_t first, double* values,
                    std::int32_t* places) {
  return choose(Scan<double>{n, products, bias, scale, first, values, places},
                OwnBounds<double>{bounds});
}

SAFFRON_CLONES void group_maxima(std::int64_t n, const float* products, const float* bias,
                                 const float* scale, bool magnitude, std::int64_t groups,
                                 float* best) {
  maxima_body(n, products, bias, scale, magnitude, groups, best);
}
SAFFRON_CLONES void group_maxima(std::int64_t n, const double* products, const double* bias,
                                 const double* scale, bool magnitude, std::int64_t groups,
                                 double* best) {
  maxima_body(n, products, bias, scale, magnitude, groups, best);
}

}  // namespace saffron::ops_cpu
