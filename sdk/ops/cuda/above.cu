#include "compaction.cuh"

// Entries above a bound as csr: each row's are counted, the counts become offsets, and then they
// are written. One block a row. The products are read twice, which costs less than to form them
// twice or to gather entries whose number is not known.

namespace saffron::ops_cuda {
namespace {

template <class T>
struct Above {
  const T* products;
  Affine<T> affine;
  const T* bounds;
  std::int64_t F, first_row;
  const std::int32_t* offsets;
  T* values;
  std::int32_t* indices;
  unsigned long long* status;

  // Also where one of the two is NaN.
  __device__ bool holds(T a, std::int64_t i) const {
    return !(a <= (bounds != nullptr ? bounds[i] : T(0)));
  }
};

// offsets[row + 1] = how many entries the row has.
template <class T>
__global__ void __launch_bounds__(kThreads) count_kernel(const Above<T> s, std::int32_t* counts) {
  const std::int64_t row = blockIdx.x;
  const T* const products = s.products + row * s.F;
  std::int64_t count = 0, nan = -1;
#pragma unroll 4
  for (std::int64_t i = threadIdx.x; i < s.F; i += kThreads) {
    const T a = s.affine(products[i], i);
    if (a != a && nan < 0) nan = i;
    if (s.holds(a, i)) ++count;
    if (row == 0 && s.bounds != nullptr && s.bounds[i] != s.bounds[i]) {
      atomicMin(s.status + 1, static_cast<unsigned long long>(i));
    }
  }
  if (nan >= 0) atomicMin(s.status, place_of(s.first_row + row, nan));
  const double total = block_sum(static_cast<double>(count));
  if (threadIdx.x == 0) counts[row + 1] = static_cast<std::int32_t>(total);
}

// One block: counts become offsets.
__global__ void __launch_bounds__(kThreads)
    offset_kernel(std::int64_t rows, std::int64_t capacity, std::int32_t* offsets,
                  std::int32_t* overflow, unsigned long long* wanted) {
  std::int64_t carry = static_cast<std::int64_t>(*wanted);
  __syncthreads();  // before it changes
  if (threadIdx.x == 0) offsets[0] = static_cast<std::int32_t>(min(carry, capacity));
  for (std::int64_t base = 0; base < rows; base += kThreads) {
    const std::int64_t row = base + threadIdx.x;
    const std::int64_t count = row < rows ? offsets[row + 1] : 0;
    std::int64_t total = 0;
    const std::int64_t end = carry + block_scan(count, &total) + count;
    if (row < rows) offsets[row + 1] = static_cast<std::int32_t>(min(end, capacity));
    carry += total;
  }
  if (threadIdx.x != 0) return;
  *wanted = static_cast<unsigned long long>(carry);
  if (overflow != nullptr && carry > capacity) *overflow = 1;
}

template <class T>
__global__ void __launch_bounds__(kThreads) write_kernel(const Above<T> s) {
  const std::int64_t row = blockIdx.x, end = s.offsets[row + 1];
  const T* const products = s.products + row * s.F;
  StepRanks ranks;
  std::int64_t place = s.offsets[row];
  for (std::int64_t base = 0; base < s.F && place < end; base += kStep) {
    T a[kUnroll];
    bool kept[kUnroll];
    int before[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const std::int64_t i = base + u * kThreads + threadIdx.x;
      a[u] = i < s.F ? s.affine(products[i], i) : T(0);
      kept[u] = i < s.F && s.holds(a[u], i);
    }
    const int total = ranks(kept, before);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      if (!kept[u] || place + before[u] >= end) continue;
      s.values[place + before[u]] = a[u];
      s.indices[place + before[u]] = static_cast<std::int32_t>(base + u * kThreads + threadIdx.x);
    }
    place += total;
  }
}

bool valid(const AboveRows& rows) {
  return rows.rows >= 0 && rows.F >= 0 && rows.F <= kMaxIndex && rows.first_row >= 0 &&
         rows.first_row + rows.rows <= kMaxIndex && rows.capacity >= 0 &&
         rows.capacity <= kMaxIndex;
}

template <class T>
Above<T> describe(const AboveRows& rows) {
  return {static_cast<const T*>(rows.products),
          {rows.bias, rows.scale},
          static_cast<const T*>(rows.bounds),
          rows.F,
          rows.first_row,
          rows.offsets,
          static_cast<T*>(rows.values),
          rows.indices,
          reinterpret_cast<unsigned long long*>(rows.status)};
}

}  // namespace

int count_above(const Place& place, const AboveRows& rows) {
  if (!valid(rows)) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  const int error = by_scalar(rows.scalar, [&](auto t) -> int {
    using T = decltype(t);
    return launch(place, count_kernel<T>, rows.rows, 1, 0, describe<T>(rows), rows.offsets);
  });
  if (error != cudaSuccess) return error;
  return launch(place, offset_kernel, 1, 1, 0, rows.rows, rows.capacity, rows.offsets,
                rows.overflow, reinterpret_cast<unsigned long long*>(rows.status + 2));
}

int write_above(const Place& place, const AboveRows& rows) {
  if (!valid(rows)) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  return by_scalar(rows.scalar, [&](auto t) -> int {
    using T = decltype(t);
    return launch(place, write_kernel<T>, rows.rows, 1, 0, describe<T>(rows));
  });
}

}  // namespace saffron::ops_cuda
