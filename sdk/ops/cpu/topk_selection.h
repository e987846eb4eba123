#pragma once

#include "ops/cpu/encode_select.h"
#include "ops/cpu/encode_tiles.h"

#include <saffron/ops.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

// The k best entries of a row, and how they are written down.

namespace saffron::ops_cpu {

// An entry as one unsigned number that is larger the earlier it belongs in the result: the bits of
// its rank in their numeric order, then the latent, lower ones first; last and without weight,
// whether the value is below 0, which the rank of `magnitude` does not say.
template <class T>
struct Entry;
template <>
struct Entry<float> {
  using Bits = std::uint32_t;
  using Key = std::uint64_t;
};
template <>
struct Entry<double> {
  using Bits = std::uint64_t;
  __extension__ typedef unsigned __int128 Key;
};
template <class T>
using Key = typename Entry<T>::Key;

template <class T>
Key<T> key_of(T value, std::int32_t latent, bool magnitude) {
  using Bits = typename Entry<T>::Bits;
  constexpr int kSign = sizeof(T) * 8 - 1;
  const T rank = magnitude ? std::abs(value) : value + T(0);  // -0 ranks as 0
  const auto bits = std::bit_cast<Bits>(rank);
  const Bits ordered = (bits >> kSign) != 0 ? ~bits : bits | (Bits{1} << kSign);
  const std::uint32_t low = (0x7fffffffU - static_cast<std::uint32_t>(latent)) << 1;
  return static_cast<Key<T>>(ordered) << 32 | low | (value < T(0) ? 1U : 0U);
}

template <class T>
T rank_of(Key<T> key) {
  using Bits = typename Entry<T>::Bits;
  constexpr int kSign = sizeof(T) * 8 - 1;
  const auto ordered = static_cast<Bits>(key >> 32);
  return std::bit_cast<T>((ordered >> kSign) != 0 ? ordered ^ (Bits{1} << kSign) : ~ordered);
}

template <class T>
std::int32_t latent_of(Key<T> key) {
  return static_cast<std::int32_t>(0x7fffffffU - (static_cast<std::uint32_t>(key) >> 1));
}

// The best entries that a row has shown so far, whatever their order: an entry of the bound's rank
// may still be among them by its latent, so that the bound is just below what is wanted. A bound
// that is NaN lets all through.
template <class T>
class Selection {
 public:
  Selection(Key<T>* keys, std::int64_t k) : keys_(keys), k_(k) {}

  static std::int64_t capacity(std::int64_t k) { return 2 * k + 64; }
  [[nodiscard]] T bound() const { return bound_.load(std::memory_order_relaxed); }
  // At least k entries, of those to come too, have this rank or more.
  void at_least(T rank) {
    constexpr T kLowest = -std::numeric_limits<T>::infinity();
    if (rank > kLowest && !(rank <= bound())) {
      bound_.store(std::nextafter(rank, kLowest), std::memory_order_relaxed);
    }
  }
  void add(Key<T> key) {
    if (key <= least_) return;
    keys_[held_++] = key;
    if (held_ == capacity(k_)) shrink();
  }
  // Where enough has come together for a higher bound to pay for itself.
  void settle() {
    if (held_ >= k_ + std::max<std::int64_t>(k_ / 4, 4)) shrink();
  }
  // The k best in order; null if there are fewer.
  const Key<T>* finish() {
    if (held_ < k_) return nullptr;
    if (held_ > k_) shrink();
    std::sort(keys_, keys_ + k_, std::greater<>());
    return keys_;
  }

 private:
  void shrink() {
    auto* const scratch = Workspace::of_thread().room<Key<T>>(Workspace::scratch, capacity(k_));
    least_ = keep_largest(keys_, held_, k_, scratch);
    held_ = k_;
    at_least(rank_of<T>(least_));
  }

  Key<T>* keys_;
  std::int64_t k_, held_ = 0;
  Key<T> least_ = 0;  // nothing at or below it can be among the k best
  std::atomic<T> bound_ = std::numeric_limits<T>::quiet_NaN();
};

// The best keys of a row in their order, as codes.
template <class T>
void write_entries(const Key<T>* best, std::int64_t k, ops::Keep keep, T* values,
                   std::int32_t* latents) {
  for (std::int64_t i = 0; i < k; ++i) {
    const T rank = rank_of<T>(best[i]);
    const bool negative = keep == ops::Keep::magnitude && (best[i] & 1U) != 0;
    values[i] = keep == ops::Keep::rectified ? std::max(rank, T(0)) : negative ? -rank : rank;
    latents[i] = latent_of<T>(best[i]);
  }
}

}  // namespace saffron::ops_cpu
