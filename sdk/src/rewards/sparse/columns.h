#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

// Passes over vectors side by side, [N, K] row by row. Sums are over fixed chunks, whatever the threads.

namespace saffron::inline sdk_v1::rewards::columns {

using Numbers = std::vector<double>;  // one a column

constexpr std::int64_t kRows = 2048;  // of a chunk

// f(begin, end, sums) for every chunk of rows; `sums` are `count` numbers of the chunk's own, which are
// then added in order.
template <class F>
Numbers reduce(std::int64_t rows, std::int64_t count, F f) {
  const std::int64_t chunks = (rows + kRows - 1) / kRows;
  Numbers parts(static_cast<std::size_t>(chunks * count));
  at::parallel_for(0, chunks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      f(c * kRows, std::min(rows, (c + 1) * kRows), parts.data() + c * count);
    }
  });
  Numbers out(static_cast<std::size_t>(count));
  for (std::int64_t c = 0; c < chunks; ++c) {
    for (std::int64_t k = 0; k < count; ++k) {
      out[static_cast<std::size_t>(k)] += parts[static_cast<std::size_t>(c * count + k)];
    }
  }
  return out;
}

// sum_i a[i, k] b[i, k] of every column.
[[nodiscard]] Numbers dots(const at::Tensor& a, const at::Tensor& b);
[[nodiscard]] Numbers sums_of_sizes(const at::Tensor& x);  // sum_i |x[i, k]|
[[nodiscard]] at::Tensor means(const at::Tensor& weights,
                               const at::Tensor& x);  // [N], [N, K] -> [K]
[[nodiscard]] at::Tensor combined(const at::Tensor& x, const at::Tensor& factors);  // x f: [N]
// y = u[k] x + v[k] y
void combine(const Numbers& u, const at::Tensor& x, const Numbers& v, const at::Tensor& y);

[[nodiscard]] at::Tensor tensor(const Numbers& numbers);  // [K]
[[nodiscard]] Numbers numbers(const at::Tensor& tensor);
[[nodiscard]] at::Tensor largest(const at::Tensor& x);  // max |x| of every column: [K]

}  // namespace saffron::inline sdk_v1::rewards::columns
