#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace saffron::ops_cpu {

// Reorders the n keys so that the first k are the largest, in any order, and returns the least of
// these; 1 <= k <= n, room for n in `scratch`. Quickselect (Hoare 1961) whose partition has no
// branch to mispredict: on a few dozen keys several times as fast as std::nth_element.
template <class Key>
Key keep_largest(Key* keys, std::int64_t n, std::int64_t k, Key* scratch) {
  constexpr int kMostPasses = 40;  // then it is no matter of luck: std::nth_element has a bound
  for (int pass = 0; pass < kMostPasses; ++pass) {
    const Key a = keys[0], b = keys[n / 2], c = keys[n - 1];
    const Key pivot = std::max(std::min(a, b), std::min(std::max(a, b), c));
    std::int64_t above = 0, below = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const Key key = keys[i];
      keys[above] = key;
      above += key > pivot ? 1 : 0;
      scratch[below] = key;
      below += key < pivot ? 1 : 0;
    }
    std::fill(keys + above, keys + n - below, pivot);
    std::copy_n(scratch, below, keys + n - below);
    if (k <= above) {
      if (k == above) return *std::min_element(keys, keys + k);
      n = above;
    } else if (k <= n - below) {
      return pivot;
    } else {
      keys += n - below;
      k -= n - below;
      n = below;
    }
  }
  std::nth_element(keys, keys + k - 1, keys + n, std::greater<>());
  return keys[k - 1];
}

}  // namespace saffron::ops_cpu
