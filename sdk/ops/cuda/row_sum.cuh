#pragma once

#include "device.cuh"

// Sums of scaled rows of a matrix, gathered by a block into shared memory: what the decoder and the
// factored gradients have in common. A thread owns the same columns throughout, so that `sums`
// needs no barrier of its own.

namespace saffron::ops_cuda {

// Columns of one row that a block holds at a time: 32 KB.
template <class T>
constexpr int kColumns = 32 * 1024 / static_cast<int>(sizeof(T));

// Row i is the sum over the places p in [begin(i), begin(i + 1)) of
//   coefficients[entries[p]] * matrix[rows[p], :]      (entries null: of coefficients[p])
template <class T>
struct RowSum {
  const std::int32_t* offsets;  // null: begin(i) = i k
  std::int64_t k;
  const std::int32_t* entries;
  const std::int32_t* rows;
  const T* coefficients;
  const T* matrix;

  __device__ std::int64_t begin(std::int64_t i) const {
    return offsets != nullptr ? offsets[i] : i * k;
  }
};

// sums[0, columns) += row i's columns [column, column + columns), place after place. N divides
// width, column and columns. All threads must call.
template <int N, class T>
__device__ void add_row(const RowSum<T>& sum, std::int64_t i, std::int64_t width,
                        std::int64_t column, int columns, T* sums) {
  __shared__ T coefficient[kThreads];
  __shared__ std::int32_t row[kThreads];
  __shared__ int kept_by[kWarps];

  const int me = static_cast<int>(threadIdx.x), lane = me % kWarp, warp = me / kWarp;
  const std::int64_t begin = sum.begin(i), end = sum.begin(i + 1);
  for (std::int64_t batch = begin; batch < end; batch += kThreads) {
    // One place a thread; those whose coefficient is not 0 close up, in order.
    T c = 0;
    std::int32_t from = 0;
    if (batch + me < end) {
      const std::int64_t entry = sum.entries != nullptr ? sum.entries[batch + me] : batch + me;
      c = sum.coefficients[entry];
      from = sum.rows[batch + me];
    }
    const unsigned kept = __ballot_sync(0xffffffffu, c != T(0));
    if (lane == 0) kept_by[warp] = __popc(kept);
    __syncthreads();  // also behind whoever still used the batch before
    int place = __popc(kept & ((1u << lane) - 1)), count = 0;
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) place += kept_by[w];
      count += kept_by[w];
    }
    if (c != T(0)) {
      coefficient[place] = c;
      row[place] = from;
    }
    __syncthreads();

    for (int j = me * N; j < columns; j += kThreads * N) {
      Pack<T, N> total = load<N>(sums + j);
      const T* const matrix = sum.matrix + column + j;
#pragma unroll 8
      for (int p = 0; p < count; ++p) {
        const Pack<T, N> x = load<N>(matrix + row[p] * width);
#pragma unroll
        for (int n = 0; n < N; ++n) total.at[n] += coefficient[p] * x.at[n];
      }
      store<N>(sums + j, total);
    }
  }
}

}  // namespace saffron::ops_cuda
