#pragma once

#include <cstdint>

// The inner loops of the sparse kernels. target_clones compiles each for AVX-512, AVX2 and plain
// x86-64 and picks one when the library is loaded. Sums run over a fixed number of lanes, so that
// their order does not depend on the instruction set's width.

#define SAFFRON_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

namespace saffron::ops_cpu {

inline constexpr int kLanes = 32;

// <x, y>
float dot(std::int64_t n, const float* x, const float* y);
double dot(std::int64_t n, const double* x, const double* y);
// Whether any of x[i] + b[i] (b may be null) is above `bound` or NaN, in a run of kLanes values.
bool any_above(const float* x, const float* b, float bound);
bool any_above(const double* x, const double* b, double bound);

}  // namespace saffron::ops_cpu
