#pragma once

#include "kernels.h"

#include <cuda_runtime.h>

#include <cstdint>
#include <initializer_list>

// What the kernels share: how they are launched, wide loads, sums over a block.

namespace saffron::ops_cuda {

constexpr int kThreads = 256;  // of every block
constexpr int kWarp = 32;
constexpr int kWarps = kThreads / kWarp;
constexpr std::int64_t kMaxGridY = 65535;
constexpr int kUnroll = 4;
constexpr int kStep = kThreads * kUnroll;  // elements that a block looks at between two barriers

// N values that are loaded and stored at once; 16 bytes where N = kPack.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};
template <class T>
constexpr int kPack = 16 / sizeof(T);

template <int N, class T>
__device__ Pack<T, N> load(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, class T>
__device__ void store(T* to, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

// Whether packs may be used: every row starts at a multiple of 16 bytes.
template <class T>
bool packs(std::int64_t width, std::initializer_list<const void*> pointers) {
  bool fits = width % kPack<T> == 0;
  for (const void* pointer : pointers) {
    fits = fits && reinterpret_cast<std::uintptr_t>(pointer) % 16 == 0;
  }
  return fits;
}

// A pre-activation of latent j from its product:  a = scale (product + bias).
template <class T>
struct Affine {
  const T* bias;
  const T* scale;

  Affine(const void* b, const void* s)
      : bias(static_cast<const T*>(b)), scale(static_cast<const T*>(s)) {}
  __device__ T operator()(T product, std::int64_t j) const {
    if (bias != nullptr) product += bias[j];
    return scale != nullptr ? scale[j] * product : product;
  }
};

// In numeric order but for NaN, which ranks as +infinity.
template <class T>
__device__ T rank_of(T value) {
  return value != value ? static_cast<T>(INFINITY) : value;
}

// Row and latent as one number, for the least of all.
__device__ inline unsigned long long place_of(std::int64_t row, std::int64_t latent) {
  return static_cast<unsigned long long>(row) << 32 | static_cast<unsigned long long>(latent);
}

// The block's dynamic shared memory.
__device__ inline unsigned char* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return bytes;
}

// The sum over the block, the same in every thread and in a fixed order. All threads must call.
__device__ inline double block_sum(double value) {
  __shared__ double partial[kWarps];
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_down_sync(0xffffffffu, value, step);
  }
  __syncthreads();  // whoever still reads an earlier call's sums
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = value;
  __syncthreads();
  double total = 0;
  for (int warp = 0; warp < kWarps; ++warp) total += partial[warp];
  return total;
}

// Before the first CUDA call of a function. Forgets errors that an earlier call has already
// returned: CUB would take them for its own.
inline int enter(const Place& place) {
  (void)cudaGetLastError();
  return cudaSetDevice(place.device);
}

// Queues kThreads threads a block; an empty grid is no work.
template <class... Parameters, class... Arguments>
cudaError_t launch(const Place& place, void (*kernel)(Parameters...), std::int64_t blocks_x,
                   std::int64_t blocks_y, std::size_t shared, Arguments... arguments) {
  if (blocks_x == 0 || blocks_y == 0) return cudaSuccess;
  if (blocks_x > kMaxIndex || blocks_y > kMaxGridY) return cudaErrorInvalidValue;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks_x), static_cast<unsigned>(blocks_y));
  config.blockDim = dim3(kThreads);
  config.dynamicSmemBytes = shared;
  config.stream = static_cast<cudaStream_t>(place.stream);
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

// Runs body(T{}) for the scalar type.
template <class Body>
int by_scalar(Scalar scalar, Body&& body) {
  return scalar == Scalar::float64 ? body(double{}) : body(float{});
}

int select_topk(const Place& place, const SelectTile& tile);
int count_above(const Place& place, const AboveRows& rows);
int write_above(const Place& place, const AboveRows& rows);
int largest_workspace(std::int64_t capacity, std::size_t* bytes);
int keep_largest(const Place& place, const Largest& work);
int decode(const Place& place, const Decode& work);
int code_gradient(const Place& place, const CodeGradient& work);
int group_workspace(const Place& place, std::int64_t capacity, std::int64_t F, std::size_t* bytes);
int group(const Place& place, const Group& work);
int form_gradient(const Place& place, const RowGradient& gradient, void* out);
int squared_norm(const Place& place, const RowGradient& gradient, const void* w, double* partial,
                 double* out);
int adam(const Place& place, const RowGradient& gradient, const Adam& adam, void* w, void* m,
         void* v);
int signum(const Place& place, const RowGradient& gradient, const Signum& signum, void* w, void* m);

}  // namespace saffron::ops_cuda
