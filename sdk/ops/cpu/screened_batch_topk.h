#pragma once

#include "ops/cpu/encode_tiles.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace saffron::ops_cpu {

// A pre-activation that encode_batch_topk may keep.
template <class T>
struct BatchEntry {
  T value;
  std::int32_t row, latent;
};

// Larger values first; among equal ones the lower row, then the lower latent.
template <class T>
bool before(const BatchEntry<T>& a, const BatchEntry<T>& b) {
  if (a.value != b.value) return a.value > b.value;
  return a.row != b.row ? a.row < b.row : a.latent < b.latent;
}

// The `wanted` best entries above `start`, fewer if fewer are, in any order, by screened tiles
// (screened_tiles.h). Nothing where screening says nothing.
std::optional<std::vector<BatchEntry<float>>> screened_batch_topk(const EncodeArguments& arguments,
                                                                  std::int64_t wanted, float start);

}  // namespace saffron::ops_cpu
