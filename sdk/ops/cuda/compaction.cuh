#pragma once

#include "device.cuh"

// Sums before an element, by which a block writes what it keeps in order.

namespace saffron::ops_cuda {

static_assert(kUnroll * kWarps == kWarp, "a warp's lanes hold the counts of a step");

// The inclusive sum over the warp's lanes.
template <class T>
__device__ T warp_scan(T value) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int step = 1; step < kWarp; step *= 2) {
    const T before = __shfl_up_sync(0xffffffffu, value, step);
    if (lane >= step) value += before;
  }
  return value;
}

// Sets *total to the block's sum and returns that of the threads before. All threads must call.
__device__ inline std::int64_t block_scan(std::int64_t value, std::int64_t* total) {
  __shared__ long long of_warp[kWarps];
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const long long sum = warp_scan(static_cast<long long>(value));
  __syncthreads();  // whoever still reads an earlier call's sums
  if (threadIdx.x % kWarp == kWarp - 1) of_warp[warp] = sum;
  __syncthreads();
  long long before = 0, all = 0;
  for (int w = 0; w < kWarps; ++w) {
    if (w == warp) before = all;
    all += of_warp[w];
  }
  *total = all;
  return before + sum - value;
}

// Ranks of a step's elements, which are ordered by  u * kThreads + thread.
class StepRanks {
 public:
  // before[u]: how many of the step's flags stand before the thread's u-th. Returns how many there
  // are. All threads must call.
  __device__ int operator()(const bool (&flag)[kUnroll], int (&before)[kUnroll]) {
    // Two buffers: who is one call ahead waits for the others before it writes to this one again.
    __shared__ int counts[2][kWarp];
    int* const count = counts[turn_];
    turn_ ^= 1;
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    const int warp = static_cast<int>(threadIdx.x) / kWarp;
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const unsigned set = __ballot_sync(0xffffffffu, flag[u]);
      before[u] = __popc(set & ((1u << lane) - 1));
      if (lane == 0) count[u * kWarps + warp] = __popc(set);
    }
    __syncthreads();
    const int own = count[lane], up_to = warp_scan(own);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      before[u] += __shfl_sync(0xffffffffu, up_to - own, u * kWarps + warp);
    }
    return __shfl_sync(0xffffffffu, up_to, kWarp - 1);
  }

 private:
  int turn_ = 0;
};

}  // namespace saffron::ops_cuda
