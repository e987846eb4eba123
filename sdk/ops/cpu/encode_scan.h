#pragma once

#include <cstdint>

// The loops of the encoders over tiles of products, in AVX-512 where the processor has it. A
// pre-activation is  a = scale * (product + bias), everywhere; bias and scale are never null.

namespace saffron::ops_cpu {

// Room behind the entries that `compress` may write to.
inline constexpr std::int64_t kCompressSlack = 64;

struct Compressed {
  std::int64_t count;
  bool nan;  // a NaN is among them
};

// Appends a and its place + first, in order, for all of n whose rank is above `bound` or NaN; a
// bound that is NaN takes all. The rank is |a| under `magnitude`, else a. `values` and `places`
// have room for n + kCompressSlack.
Compressed compress(std::int64_t n, const float* products, const float* bias, const float* scale,
                    float bound, bool magnitude, std::int32_t first, float* values,
                    std::int32_t* places);
Compressed compress(std::int64_t n, const double* products, const double* bias, const double* scale,
                    double bound, bool magnitude, std::int32_t first, double* values,
                    std::int32_t* places);
// The same with a bound for each place.
Compressed compress(std::int64_t n, const float* products, const float* bias, const float* scale,
                    const float* bounds, std::int32_t first, float* values, std::int32_t* places);
Compressed compress(std::int64_t n, const double* products, const double* bias, const double* scale,
                    const double* bounds, std::int32_t first, double* values, std::int32_t* places);

// best[g] = the largest rank among the places j of n with j mod groups = g. NaN is passed over, a
// group of nothing else is -infinity.
void group_maxima(std::int64_t n, const float* products, const float* bias, const float* scale,
                  bool magnitude, std::int64_t groups, float* best);
void group_maxima(std::int64_t n, const double* products, const double* bias, const double* scale,
                  bool magnitude, std::int64_t groups, double* best);

}  // namespace saffron::ops_cpu
