#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

namespace saffron::inline sdk_v1 {

// The percentiles (1 -+ confidence) / 2 of x [B, ...] over B resamples (Efron 1979), interpolated linearly. NaN
// values are left out; where they are more than one in twenty, the ends are NaN.
struct Interval {
  at::Tensor low, high;  // [...]
};
[[nodiscard]] SAFFRON_EXPORT Interval percentile_interval(const at::Tensor& x, double confidence);

}  // namespace saffron::inline sdk_v1
