#include "row_sum.cuh"

#include <algorithm>

namespace saffron::ops_cuda {
namespace {

template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    decode_kernel(RowSum<T> sum, const T* bias, std::int64_t width, T* out) {
  T* const sums = reinterpret_cast<T*>(dynamic_shared());
  const std::int64_t row = blockIdx.x, column = std::int64_t{blockIdx.y} * kColumns<T>;
  const int columns = static_cast<int>(min(width - column, std::int64_t{kColumns<T>}));
  const int first = static_cast<int>(threadIdx.x) * N;
  for (int j = first; j < columns; j += kThreads * N) {
    store<N>(sums + j, bias != nullptr ? load<N>(bias + column + j) : Pack<T, N>{});
  }
  add_row<N>(sum, row, width, column, columns, sums);
  for (int j = first; j < columns; j += kThreads * N) {
    store<N>(out + row * width + column + j, load<N>(sums + j));
  }
}

// One block a row, one warp an entry at a time.
template <class T, int N>
__global__ void __launch_bounds__(kThreads)
    code_gradient_kernel(Support support, const T* W, const T* g, std::int64_t width, T* out) {
  const std::int64_t row = blockIdx.x;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t begin = support.offsets != nullptr ? support.offsets[row] : row * support.k;
  const std::int64_t end =
      support.offsets != nullptr ? support.offsets[row + 1] : (row + 1) * support.k;
  const T* const x = g + row * width;
  for (std::int64_t e = begin + threadIdx.x / kWarp; e < end; e += kWarps) {
    const T* const w = W + support.latents[e] * width;
    T sum = 0;
#pragma unroll 4
    for (std::int64_t j = lane * N; j < width; j += kWarp * N) {
      const Pack<T, N> a = load<N>(x + j), b = load<N>(w + j);
#pragma unroll
      for (int n = 0; n < N; ++n) sum += a.at[n] * b.at[n];
    }
    for (int step = kWarp / 2; step > 0; step /= 2) {
      sum += __shfl_down_sync(0xffffffffu, sum, step);
    }
    if (lane == 0) out[e] = sum;
  }
}

bool valid(const Support& support, std::int64_t width) {
  return support.rows >= 0 && support.rows <= kMaxIndex && support.capacity >= 0 &&
         support.capacity <= kMaxIndex && support.k >= 0 && width >= 0 &&
         (support.offsets != nullptr || support.rows * support.k <= support.capacity);
}

template <class T, int N>
int run_decode(const Place& place, const Decode& work) {
  const RowSum<T> sum{work.support.offsets,
                      work.support.k,
                      nullptr,
                      work.support.latents,
                      static_cast<const T*>(work.values),
                      static_cast<const T*>(work.W)};
  const std::int64_t chunks = (work.width + kColumns<T> - 1) / kColumns<T>;
  const std::size_t shared =
      sizeof(T) * static_cast<std::size_t>(std::min<std::int64_t>(work.width, kColumns<T>));
  return launch(place, decode_kernel<T, N>, work.support.rows, chunks, shared, sum, work.bias,
                work.width, work.out);
}

template <class T, int N>
int run_code_gradient(const Place& place, const CodeGradient& work) {
  return launch(place, code_gradient_kernel<T, N>, work.support.rows, 1, 0, work.support, work.W,
                work.g, work.width, work.out);
}

}  // namespace

int decode(const Place& place, const Decode& work) {
  if (!valid(work.support, work.width)) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  return by_scalar(work.scalar, [&](auto t) {
    using T = decltype(t);
    return packs<T>(work.width, {work.W, work.bias, work.out})
               ? run_decode<T, kPack<T>>(place, work)
               : run_decode<T, 1>(place, work);
  });
}

int code_gradient(const Place& place, const CodeGradient& work) {
  if (!valid(work.support, work.width)) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  return by_scalar(work.scalar, [&](auto t) {
    using T = decltype(t);
    return packs<T>(work.width, {work.W, work.g}) ? run_code_gradient<T, kPack<T>>(place, work)
                                                  : run_code_gradient<T, 1>(place, work);
  });
}

}  // namespace saffron::ops_cuda
