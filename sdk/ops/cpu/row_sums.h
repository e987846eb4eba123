#pragma once

#include <cstdint>

// Sums over gathered rows: what decoding, its gradient and weight gradients are made of. A call takes
// all rows of one sum, so that partial results stay in registers. Orders of summation are fixed.

namespace saffron::ops_cpu {

// Rows of some n numbers, with a coefficient each.
template <class T>
struct GatheredRows {
  std::int64_t count = 0;
  const T* coefficients = nullptr;
  const T* const* rows = nullptr;
};

// y = start + sum over j of coefficients[j] * rows[j], in the order of j; `start` may be null (0), or y.
void combine(std::int64_t n, const GatheredRows<float>& x, const float* start, float* y);
void combine(std::int64_t n, const GatheredRows<double>& x, const double* start, double* y);

// out[j] = <rows[j], y>, each with dot's order of summation. Coefficients are not read.
void inner_products(std::int64_t n, const GatheredRows<float>& x, const float* y, float* out);
void inner_products(std::int64_t n, const GatheredRows<double>& x, const double* y, double* out);

}  // namespace saffron::ops_cpu
