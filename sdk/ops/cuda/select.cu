#include "device.cuh"

#include <algorithm>

// The running k largest of each row. One block holds one row's list in shared memory: the k best so
// far, sorted, and behind them the tile's values that may belong to it. Only values above the k-th
// best are taken, which is why a tile after the first adds few; when the room for them might run
// out, and at the end of a tile, the list is sorted and cut to k.

namespace saffron::ops_cuda {
namespace {

constexpr std::size_t kPlainShared = 48 * 1024;  // more must be asked for

template <class T>
struct Selection {
  const T* products;
  Affine<T> affine;
  const std::uint8_t* allowed;
  std::int64_t width, first_row, first_latent;
  int k, capacity;  // capacity: a power of two, at least k + kStep
  bool rectify, last;
  T* values;
  std::int32_t* indices;
  unsigned long long* status;
};

// What an entry is chosen by.
template <bool kMagnitude, class T>
__device__ T weight(T value) {
  return rank_of(kMagnitude && value < T(0) ? -value : value);
}

// Heavier values first; among equal ones the lower latent.
template <bool kMagnitude, class T>
__device__ bool before(T a, std::int32_t i, T b, std::int32_t j) {
  a = weight<kMagnitude>(a);
  b = weight<kMagnitude>(b);
  return a > b || (a == b && i < j);
}

// Bitonic sort (Batcher 1968) of n entries, a power of two. Called and left by all threads
// together.
template <bool kMagnitude, class T>
__device__ void sort(T* value, std::int32_t* latent, int n) {
  for (int size = 2; size <= n; size *= 2) {
    for (int step = size / 2; step > 0; step /= 2) {
      for (int pair = static_cast<int>(threadIdx.x); pair < n / 2; pair += kThreads) {
        const int i = 2 * pair - (pair & (step - 1)), j = i + step;
        const T a = value[i], b = value[j];
        const std::int32_t p = latent[i], q = latent[j];
        if (before<kMagnitude>(b, q, a, p) == ((i & size) == 0)) {
          value[i] = b;
          value[j] = a;
          latent[i] = q;
          latent[j] = p;
        }
      }
      __syncthreads();
    }
  }
}

// Sorts the first `held` entries, which all threads see, and cuts them to the best k. The last
// barrier is behind the writes.
template <bool kMagnitude, class T>
__device__ void keep_best(T* value, std::int32_t* latent, int held, int k, int* count) {
  int n = 1;
  while (n < held) n *= 2;
  for (int i = held + static_cast<int>(threadIdx.x); i < n; i += kThreads) {
    value[i] =
        kMagnitude ? T(0) : static_cast<T>(-INFINITY);  // behind all: their latents are lower
    latent[i] = INT32_MAX;
  }
  __syncthreads();
  sort<kMagnitude>(value, latent, n);
  if (threadIdx.x == 0) *count = min(held, k);
  __syncthreads();
}

template <class T, bool kMagnitude>
__global__ void __launch_bounds__(kThreads) select_kernel(Selection<T> s) {
  T* const value = reinterpret_cast<T*>(dynamic_shared());
  std::int32_t* const latent = reinterpret_cast<std::int32_t*>(value + s.capacity);
  __shared__ int count;

  const std::int64_t row = blockIdx.x;
  const int me = static_cast<int>(threadIdx.x);
  const T* const products = s.products + row * s.width;
  T* const values = s.values + row * s.k;
  std::int32_t* const indices = s.indices + row * s.k;
  const bool first = s.first_latent == 0;

  if (me == 0) count = 0;
  __syncthreads();
  if (!first) {  // the list so far: its unused places, at the end, have latent -1
    for (int i = me; i < s.k; i += kThreads) {
      value[i] = values[i];
      latent[i] = indices[i];
      if (latent[i] >= 0 && (i + 1 == s.k || indices[i + 1] < 0)) count = i + 1;
    }
  }
  __syncthreads();
  int held = count;
  bool full = held == s.k, changed = first;
  T bound =
      full ? weight<kMagnitude>(value[s.k - 1]) : T(0);  // this or less cannot enter a full list
  __syncthreads();

  for (std::int64_t base = 0; base < s.width; base += kStep) {
    T a[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const std::int64_t j = base + u * kThreads + me;
      a[u] = j < s.width ? s.affine(products[j], j) : T(0);
    }
    bool appended = false;
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const std::int64_t j = base + u * kThreads + me;
      if (j >= s.width) continue;
      if (a[u] != a[u]) {
        atomicMin(s.status, place_of(s.first_row + row, s.first_latent + j));
      }
      if (full && weight<kMagnitude>(a[u]) <= bound) continue;
      if (s.allowed != nullptr && s.allowed[j] == 0) continue;
      const int place = atomicAdd(&count, 1);
      value[place] = a[u];
      latent[place] = static_cast<std::int32_t>(s.first_latent + j);
      appended = true;
    }
    // Whoever goes on from here reads nothing that another thread may still be changing.
    if (!__syncthreads_or(appended)) continue;
    changed = true;
    held = count;
    if (held + kStep > s.capacity || (!full && held >= s.k)) {
      keep_best<kMagnitude>(value, latent, held, s.k, &count);
      held = min(held, s.k);
      full = held == s.k;
      if (full) bound = weight<kMagnitude>(value[s.k - 1]);
    } else {
      __syncthreads();
    }
  }

  if (!changed && !s.last) return;
  if (changed) keep_best<kMagnitude>(value, latent, held, s.k, &count);
  held = min(held, s.k);
  for (int i = me; i < s.k; i += kThreads) {
    const bool used = i < held;
    const T best = used ? value[i] : T(0);
    values[i] = s.last && s.rectify && best < T(0) ? T(0) : best;
    indices[i] = used ? latent[i] : (s.last ? 0 : -1);
  }
  if (s.last && me == 0 && held < s.k) {
    atomicMin(s.status + 1, static_cast<unsigned long long>(held));
  }
}

bool valid(const SelectTile& tile) {
  return tile.rows >= 0 && tile.width >= 1 && tile.first_row >= 0 && tile.first_latent >= 0 &&
         tile.k >= 1 && tile.k <= kMaxTopk && tile.first_row + tile.rows <= kMaxIndex &&
         tile.first_latent + tile.width <= kMaxIndex;
}

template <class T, bool kMagnitude>
int run(const Place& place, const SelectTile& tile) {
  int capacity = 2 * kStep;
  while (capacity < tile.k + kStep) capacity *= 2;
  const std::size_t shared =
      static_cast<std::size_t>(capacity) * (sizeof(T) + sizeof(std::int32_t));
  if (shared > kPlainShared) {
    const cudaError_t error =
        cudaFuncSetAttribute(select_kernel<T, kMagnitude>,
                             cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) return error;
  }
  const Selection<T> selection{static_cast<const T*>(tile.products),
                               {tile.bias, tile.scale},
                               tile.allowed,
                               tile.width,
                               tile.first_row,
                               tile.first_latent,
                               static_cast<int>(tile.k),
                               capacity,
                               tile.keep == Keep::rectified,
                               tile.last,
                               static_cast<T*>(tile.values),
                               tile.indices,
                               reinterpret_cast<unsigned long long*>(tile.status)};
  return launch(place, select_kernel<T, kMagnitude>, tile.rows, 1, shared, selection);
}

}  // namespace

int select_topk(const Place& place, const SelectTile& tile) {
  if (!valid(tile)) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  return by_scalar(tile.scalar, [&](auto t) {
    using T = decltype(t);
    return tile.keep == Keep::magnitude ? run<T, true>(place, tile) : run<T, false>(place, tile);
  });
}

}  // namespace saffron::ops_cuda
