#include "compaction.cuh"

#include <algorithm>

// The largest entries of a csr. The rank of the last one kept is found by radix selection: values
// as keys in numeric order, a histogram of eight bits at a time, the highest first, of the entries
// that agree with the bits known so far. Then a pass over chunks counts what is above it and what
// is equal, and another one writes what is kept.

namespace saffron::ops_cuda {
namespace {

constexpr int kDigitBits = 8;
static_assert(1 << kDigitBits == kThreads, "a thread for each digit");
constexpr std::int64_t kChunk = 2 * kStep;  // entries of one block
constexpr std::int64_t kHistogramBlocks = 2048;
constexpr std::size_t kAlignment = 256;

struct State {
  unsigned long long key;  // the bits known so far
  std::int64_t left;  // how many of the entries with these bits are kept; in the end, with this key
};

// What lies in the workspace, in this order, each part aligned.
struct Workspace {
  std::size_t state, histogram, above, equal, size;
  std::int64_t chunks;  // one more than are full, so that every entry number lies in one
};

Workspace lay_out(std::int64_t capacity) {
  const auto aligned = [](std::size_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
  };
  Workspace out{};
  out.chunks = capacity / kChunk + 1;
  const std::size_t counts = aligned(static_cast<std::size_t>(out.chunks) * sizeof(std::int32_t));
  out.histogram = aligned(sizeof(State));
  out.above = out.histogram + aligned(kThreads * sizeof(unsigned));
  out.equal = out.above + counts;
  out.size = out.equal + counts;
  return out;
}

template <class T>
struct Keys;
template <>
struct Keys<float> {
  using Key = std::uint32_t;
  static __device__ Key bits(float value) { return __float_as_uint(value); }
  static __device__ float value(Key bits) { return __uint_as_float(bits); }
};
template <>
struct Keys<double> {
  using Key = unsigned long long;
  static __device__ Key bits(double value) { return static_cast<Key>(__double_as_longlong(value)); }
  static __device__ double value(Key bits) {
    return __longlong_as_double(static_cast<long long>(bits));
  }
};
template <class T>
using Key = typename Keys<T>::Key;
template <class T>
constexpr int kKeyBits = 8 * static_cast<int>(sizeof(T));
template <class T>
constexpr Key<T> kSign = Key<T>{1} << (kKeyBits<T> - 1);

// Larger for larger ranks; -0 is 0.
template <class T>
__device__ Key<T> key_of(T value) {
  const Key<T> bits = Keys<T>::bits(rank_of(value) + T(0));
  return (bits & kSign<T>) != 0 ? ~bits : bits | kSign<T>;
}
template <class T>
__device__ T value_of(Key<T> key) {
  return Keys<T>::value((key & kSign<T>) != 0 ? key ^ kSign<T> : ~key);
}

// The csr, and how it is looked at.
template <class T>
struct Entries {
  const T* values;
  const std::int32_t* indices;
  const std::int32_t* offsets;
  std::int64_t rows, wanted;
  State* state;
  unsigned* histogram;
  std::int32_t *above, *equal;  // by chunk: first how many, then how many before it

  __device__ std::int64_t count() const { return offsets[rows]; }
};

template <class T>
__global__ void __launch_bounds__(kThreads) start_kernel(const Entries<T> s) {
  s.histogram[threadIdx.x] = 0;
  if (threadIdx.x != 0) return;
  const std::int64_t left = min(s.wanted, s.count());
  *s.state = {left > 0 ? 0 : ~0ull, left};  // no key is as high: nothing is kept
}

template <class T>
__global__ void __launch_bounds__(kThreads) histogram_kernel(const Entries<T> s, int shift) {
  __shared__ unsigned counts[kThreads];
  counts[threadIdx.x] = 0;
  __syncthreads();
  const auto known = static_cast<Key<T>>(s.state->key);
  const std::int64_t count = s.count();
  for (std::int64_t e = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; e < count;
       e += std::int64_t{gridDim.x} * kThreads) {
    const Key<T> key = key_of(s.values[e]) >> shift;
    if (key >> kDigitBits == known) atomicAdd(&counts[key & (kThreads - 1)], 1u);
  }
  __syncthreads();
  if (counts[threadIdx.x] > 0) atomicAdd(&s.histogram[threadIdx.x], counts[threadIdx.x]);
}

// One block: the next digit is that of the last entry kept; the histogram is emptied.
template <class T>
__global__ void __launch_bounds__(kThreads) digit_kernel(const Entries<T> s) {
  const int digit = kThreads - 1 - static_cast<int>(threadIdx.x);
  const std::int64_t count = s.histogram[digit];
  const State before = *s.state;
  std::int64_t all = 0;
  const std::int64_t above = block_scan(count, &all);  // its barriers stand before the writes
  s.histogram[digit] = 0;
  if (above < before.left && before.left <= above + count) {
    *s.state = {before.key << kDigitBits | static_cast<unsigned>(digit), before.left - above};
  }
}

// How many of the entries [begin, end), at most a chunk, are above the last one's key, and equal.
template <class T>
__device__ void tally(const Entries<T>& s, std::int64_t begin, std::int64_t end,
                      std::int32_t* above, std::int32_t* equal) {
  const auto last = static_cast<Key<T>>(s.state->key);
  std::int64_t both = 0;
  for (std::int64_t e = begin + threadIdx.x; e < end; e += kThreads) {
    const Key<T> key = key_of(s.values[e]);
    both += key > last ? std::int64_t{1} << 32 : static_cast<std::int64_t>(key == last);
  }
  std::int64_t total = 0;
  block_scan(both, &total);
  *above = static_cast<std::int32_t>(total >> 32);
  *equal = static_cast<std::int32_t>(total & 0xffffffff);
}

template <class T>
__global__ void __launch_bounds__(kThreads) chunk_kernel(const Entries<T> s) {
  const std::int64_t begin = blockIdx.x * kChunk;
  std::int32_t above = 0, equal = 0;
  tally(s, begin, min(begin + kChunk, s.count()), &above, &equal);
  if (threadIdx.x != 0) return;
  s.above[blockIdx.x] = above;
  s.equal[blockIdx.x] = equal;
}

// One block: counts become sums of those before.
__global__ void __launch_bounds__(kThreads)
    before_kernel(std::int64_t chunks, std::int32_t* above, std::int32_t* equal) {
  for (std::int32_t* const counts : {above, equal}) {
    std::int64_t carry = 0;
    for (std::int64_t base = 0; base < chunks; base += kThreads) {
      const std::int64_t c = base + threadIdx.x;
      std::int64_t total = 0;
      const std::int64_t before = carry + block_scan(c < chunks ? counts[c] : 0, &total);
      if (c < chunks) counts[c] = static_cast<std::int32_t>(before);
      carry += total;
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    keep_kernel(const Entries<T> s, T* values, std::int32_t* indices) {
  const std::int64_t begin = blockIdx.x * kChunk, end = min(begin + kChunk, s.count());
  const State last = *s.state;
  std::int64_t above = s.above[blockIdx.x], equal = s.equal[blockIdx.x];
  StepRanks ranks;
  for (std::int64_t base = begin; base < end; base += kStep) {
    T value[kUnroll];
    bool is_above[kUnroll], is_equal[kUnroll];
    int above_before[kUnroll], equal_before[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const std::int64_t e = base + u * kThreads + threadIdx.x;
      value[u] = e < end ? s.values[e] : T(0);
      const Key<T> key = key_of(value[u]);
      is_above[u] = e < end && key > static_cast<Key<T>>(last.key);
      is_equal[u] = e < end && key == static_cast<Key<T>>(last.key);
    }
    const int all_above = ranks(is_above, above_before), all_equal = ranks(is_equal, equal_before);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const std::int64_t equals = equal + equal_before[u];
      if (!is_above[u] && !(is_equal[u] && equals < last.left)) continue;
      const std::int64_t place = above + above_before[u] + min(equals, last.left);
      values[place] = value[u];
      indices[place] = s.indices[base + u * kThreads + threadIdx.x];
    }
    above += all_above;
    equal += all_equal;
  }
}

// Block r: where row r of the result begins. The last one also says which value is the smallest.
template <class T>
__global__ void __launch_bounds__(kThreads)
    row_kernel(const Entries<T> s, std::int32_t* offsets, double* smallest) {
  const std::int64_t row = blockIdx.x, e = s.offsets[row], chunk = e / kChunk;
  std::int32_t above = 0, equal = 0;
  tally(s, chunk * kChunk, e, &above, &equal);
  if (threadIdx.x != 0) return;
  const State last = *s.state;
  offsets[row] = static_cast<std::int32_t>(s.above[chunk] + above +
                                           min(std::int64_t{s.equal[chunk]} + equal, last.left));
  if (row != s.rows) return;
  *smallest =
      e > 0 && s.wanted > 0 ? static_cast<double>(value_of<T>(static_cast<Key<T>>(last.key))) : 0;
}

bool valid(std::int64_t capacity) { return capacity >= 0 && capacity <= kMaxIndex; }

template <class T>
int run(const Place& place, const Largest& work, const Workspace& layout) {
  auto* const bytes = static_cast<unsigned char*>(work.workspace);
  const Entries<T> entries{static_cast<const T*>(work.values),
                           work.indices,
                           work.offsets,
                           work.rows,
                           work.wanted,
                           reinterpret_cast<State*>(bytes + layout.state),
                           reinterpret_cast<unsigned*>(bytes + layout.histogram),
                           reinterpret_cast<std::int32_t*>(bytes + layout.above),
                           reinterpret_cast<std::int32_t*>(bytes + layout.equal)};
  int error = launch(place, start_kernel<T>, 1, 1, 0, entries);
  const std::int64_t blocks = std::min(layout.chunks, kHistogramBlocks);
  for (int shift = kKeyBits<T> - kDigitBits; shift >= 0 && error == cudaSuccess;
       shift -= kDigitBits) {
    error = launch(place, histogram_kernel<T>, blocks, 1, 0, entries, shift);
    if (error == cudaSuccess) error = launch(place, digit_kernel<T>, 1, 1, 0, entries);
  }
  if (error == cudaSuccess) error = launch(place, chunk_kernel<T>, layout.chunks, 1, 0, entries);
  if (error == cudaSuccess) {
    error = launch(place, before_kernel, 1, 1, 0, layout.chunks, entries.above, entries.equal);
  }
  if (error == cudaSuccess) {
    error = launch(place, keep_kernel<T>, layout.chunks, 1, 0, entries, work.out_values,
                   work.out_indices);
  }
  if (error != cudaSuccess) return error;
  return launch(place, row_kernel<T>, work.rows + 1, 1, 0, entries, work.out_offsets,
                work.smallest);
}

}  // namespace

int largest_workspace(std::int64_t capacity, std::size_t* bytes) {
  if (!valid(capacity)) return cudaErrorInvalidValue;
  *bytes = lay_out(capacity).size;
  return cudaSuccess;
}

int keep_largest(const Place& place, const Largest& work) {
  if (!valid(work.capacity) || work.rows < 0 || work.rows >= kMaxIndex || work.wanted < 0) {
    return cudaErrorInvalidValue;
  }
  const Workspace layout = lay_out(work.capacity);
  if (work.workspace_size < layout.size) return cudaErrorInvalidValue;
  if (const int error = enter(place)) return error;
  return by_scalar(work.scalar, [&](auto t) { return run<decltype(t)>(place, work, layout); });
}

}  // namespace saffron::ops_cuda
