#pragma once

#include <saffron/random.h>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cstdint>

// Matrices for tests of kernels. Without GoogleTest, for programs that do not have it.

namespace saffron::test {

constexpr std::uint64_t kLayouts = 4;

// Whole numbers in [-most, most].
inline at::Tensor whole_numbers(const Random& random, std::int64_t rows, std::int64_t columns,
                                std::uint64_t most) {
  at::Tensor made = at::empty({rows, columns}, at::kDouble);
  auto* const at = made.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < made.numel(); ++i) {
    at[i] = static_cast<double>(random.below(2 * most + 1, static_cast<std::uint64_t>(i), 0)) -
            static_cast<double>(most);
  }
  return made;
}

// The same matrix, laid out in memory as the number says.
inline at::Tensor laid_out(const at::Tensor& matrix, std::uint64_t how) {
  const std::int64_t rows = matrix.size(0), columns = matrix.size(1);
  at::Tensor view;
  if (how == 1) {  // part of wider rows, from an odd place on
    view = at::zeros({rows, columns + 3}, matrix.options()).slice(1, 1, columns + 1);
  } else if (how == 2) {  // column by column
    view = at::zeros({columns, rows}, matrix.options()).t();
  } else if (how == 3) {  // without gaps, but not aligned
    view = at::zeros({rows * columns + 1}, matrix.options()).slice(0, 1).view({rows, columns});
  } else {
    return matrix;
  }
  view.copy_(matrix);
  return view;
}

}  // namespace saffron::test
