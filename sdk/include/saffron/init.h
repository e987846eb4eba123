#pragma once

#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

// Initialisation that any SAE can use.

namespace saffron::inline sdk_v1::init {

// [rows, width], Gaussian directions scaled to norm 1.
[[nodiscard]] SAFFRON_EXPORT at::Tensor unit_rows(Random random, std::int64_t rows,
                                                  std::int64_t width, at::ScalarType dtype);

// The same in W [rows, width], times `norm`.
SAFFRON_EXPORT void fill_unit_rows(Random random, double norm, at::Tensor W);

// The first rows of W [F, d] become rows of x [R, d], drawn without repetition and scaled to `norm`; W's
// others stay where R < F. Rows that are 0 are not drawn.
SAFFRON_EXPORT void data_rows(Random random, const at::Tensor& x, double norm, at::Tensor W);

// The point that minimises the sum of distances to the rows of x [R, d] (Weiszfeld 1937: weighted means
// with weights 1 / distance, until the step is below 1e-6 of the data's scale or 100 rounds). [d]
[[nodiscard]] SAFFRON_EXPORT at::Tensor geometric_median(const at::Tensor& x);

// "zero", "mean" or "geometric_median" of the rows of x. [d]
[[nodiscard]] SAFFRON_EXPORT at::Tensor centre(const std::string& method, const at::Tensor& x);

}  // namespace saffron::inline sdk_v1::init
