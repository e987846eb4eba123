#include "device.cuh"

#include <cub/device/device_radix_sort.cuh>

#include <algorithm>

// Entries by latent: CUB's radix sort, which is stable, of the entry numbers by their latents.
// Where each latent begins is then found by bisection.

namespace saffron::ops_cuda {
namespace {

constexpr std::size_t kAlignment = 256;

// What lies in the workspace, in this order, each part aligned.
struct Workspace {
  std::size_t keys, sorted, numbers, sort, size;  // where each begins; size: of all
  std::size_t sort_size;
  int bits;
};

std::size_t aligned(std::size_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

int lay_out(std::int64_t capacity, std::int64_t F, Workspace* out) {
  const std::size_t array = aligned(static_cast<std::size_t>(capacity) * sizeof(std::int32_t));
  out->bits = 1;  // of the keys 0 .. F; F marks the places past a csr's last entry
  while (out->bits < 32 && F >> out->bits != 0) ++out->bits;
  const cudaError_t error = cub::DeviceRadixSort::SortPairs(
      nullptr, out->sort_size, static_cast<const std::uint32_t*>(nullptr),
      static_cast<std::uint32_t*>(nullptr), static_cast<const std::int32_t*>(nullptr),
      static_cast<std::int32_t*>(nullptr), static_cast<int>(capacity), 0, out->bits);
  out->keys = 0;
  out->sorted = array;
  out->numbers = 2 * array;
  out->sort = 3 * array;
  out->size = out->sort + aligned(std::max<std::size_t>(out->sort_size, 1));
  return error;
}

__global__ void __launch_bounds__(kThreads)
    key_kernel(Support support, std::uint32_t F, std::uint32_t* keys, std::int32_t* numbers) {
  const std::int64_t e = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (e >= support.capacity) return;
  const std::int64_t used =
      support.offsets != nullptr ? support.offsets[support.rows] : support.rows * support.k;
  keys[e] = e < used ? static_cast<std::uint32_t>(support.latents[e]) : F;
  numbers[e] = static_cast<std::int32_t>(e);
}

// The first of [0, count) at which `is_behind` holds; it then holds for all that follow.
template <class Test>
__device__ std::int64_t bisect(std::int64_t count, Test&& is_behind) {
  std::int64_t low = 0, high = count;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (is_behind(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// Thread i: where latent i begins, and the row of the entry at place i.
__global__ void __launch_bounds__(kThreads) place_kernel(Group work, const std::uint32_t* sorted) {
  const std::int64_t i = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const Support& support = work.support;
  if (i <= work.F) {
    const std::int64_t at =
        bisect(support.capacity, [&](std::int64_t p) { return sorted[p] >= i; });
    work.offsets[i] = static_cast<std::int32_t>(at);
  }
  if (i >= support.capacity) return;
  const std::int32_t e = work.entries[i];
  const std::int64_t row =
      support.offsets == nullptr
          ? e / max(support.k, std::int64_t{1})
          : bisect(support.rows, [&](std::int64_t r) { return support.offsets[r + 1] > e; });
  work.rows[i] = static_cast<std::int32_t>(row);
}

bool valid(std::int64_t capacity, std::int64_t F) {
  return capacity >= 0 && capacity <= kMaxIndex && F >= 0 && F < kMaxIndex;
}

std::int64_t blocks_for(std::int64_t threads) { return (threads + kThreads - 1) / kThreads; }

}  // namespace

int group_workspace(const Place& place, std::int64_t capacity, std::int64_t F, std::size_t* bytes) {
  if (!valid(capacity, F)) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  Workspace workspace{};
  const int error = lay_out(capacity, F, &workspace);
  *bytes = workspace.size;
  return error;
}

int group(const Place& place, const Group& work) {
  const Support& support = work.support;
  if (!valid(support.capacity, work.F) || support.rows < 0 || support.rows > kMaxIndex ||
      support.k < 0 ||
      (support.offsets == nullptr && support.rows * support.k > support.capacity)) {
    return cudaErrorInvalidValue;
  }
  if (const int error = enter(place)) return error;
  Workspace layout{};
  if (const int error = lay_out(support.capacity, work.F, &layout)) return error;
  if (work.workspace_size < layout.size) return cudaErrorInvalidValue;
  auto* const bytes = static_cast<unsigned char*>(work.workspace);
  auto* const keys = reinterpret_cast<std::uint32_t*>(bytes + layout.keys);
  auto* const sorted = reinterpret_cast<std::uint32_t*>(bytes + layout.sorted);
  auto* const numbers = reinterpret_cast<std::int32_t*>(bytes + layout.numbers);

  if (support.capacity > 0) {
    const int error = launch(place, key_kernel, blocks_for(support.capacity), 1, 0, support,
                             static_cast<std::uint32_t>(work.F), keys, numbers);
    if (error != cudaSuccess) return error;
    const cudaError_t sort_error =
        cub::DeviceRadixSort::SortPairs(bytes + layout.sort, layout.sort_size, keys, sorted,
                                        numbers, work.entries, static_cast<int>(support.capacity),
                                        0, layout.bits, static_cast<cudaStream_t>(place.stream));
    if (sort_error != cudaSuccess) return sort_error;
  }
  return launch(place, place_kernel, blocks_for(std::max(support.capacity, work.F + 1)), 1, 0, work,
                static_cast<const std::uint32_t*>(sorted));
}

}  // namespace saffron::ops_cuda
