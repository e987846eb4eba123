#include "ops/cpu/vector.h"

namespace saffron::ops_cpu {
namespace {

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

}  // namespace

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

}  // namespace saffron::ops_cpu
