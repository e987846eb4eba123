#pragma once

#include <saffron/namespace.h>

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string_view>

// Counter-based random draws: every draw is a pure function of (key, stream position).
//
//   block(key, counter) = Philox4x32-10  (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers:
//                         as easy as 1, 2, 3"; the constants of Random123)
//
// A Random is a 64-bit key derived from (recipe seed, node seed, purpose), never from a node's name
// or from a global generator, so that a member of a grid equals the same SAE trained alone. It has
// no state: the caller says at which row (and draw) it wants its numbers. Copy it freely; every
// function is const and thread-safe.

namespace saffron::inline sdk_v1 {

// Philox4x32-10: four 32-bit words for a 64-bit key and a 128-bit counter.
[[nodiscard]] SAFFRON_EXPORT std::array<std::uint32_t, 4> philox(std::uint64_t key,
                                                                 std::uint64_t counter_low,
                                                                 std::uint64_t counter_high);

class SAFFRON_EXPORT Random {
 public:
  explicit Random(std::uint64_t key) : key_(key) {}

  // An independent stream: fork("init").fork(3) differs from fork("init").fork(4).
  [[nodiscard]] Random fork(std::string_view purpose) const;
  [[nodiscard]] Random fork(std::uint64_t number) const;
  [[nodiscard]] std::uint64_t key() const { return key_; }

  // Scalars: draw number `draw` of row `row`.
  [[nodiscard]] std::uint64_t bits(std::uint64_t row, std::uint64_t draw = 0) const;
  [[nodiscard]] double uniform(std::uint64_t row, std::uint64_t draw = 0) const;  // [0, 1), 53 bits
  [[nodiscard]] double normal(std::uint64_t row, std::uint64_t draw = 0) const;   // N(0, 1)
  // Unbiased integer in [0, bound), bound >= 1 (rejection).
  [[nodiscard]] std::uint64_t below(std::uint64_t bound, std::uint64_t row,
                                    std::uint64_t draw = 0) const;

  // Tensors [count, width], row i holding draws 0..width-1 of row (first_row + i). float32 uses 24
  // bits for a uniform. The same numbers whatever the batch: rows [0, 8) then [8, 16) = [0, 16).
  [[nodiscard]] at::Tensor uniform_rows(std::int64_t first_row, std::int64_t count,
                                        std::int64_t width,
                                        at::ScalarType dtype = at::kFloat) const;
  [[nodiscard]] at::Tensor normal_rows(std::int64_t first_row, std::int64_t count,
                                       std::int64_t width, at::ScalarType dtype = at::kFloat) const;

 private:
  std::uint64_t key_;
};

// A pseudo-random permutation of 0..size-1 that stores nothing: a keyed Feistel network over the
// next even power of two, walked until it falls inside. Used for epochs and splits.
class SAFFRON_EXPORT Permutation {
 public:
  Permutation(Random random, std::uint64_t size);
  [[nodiscard]] std::uint64_t operator()(std::uint64_t index) const;  // a bijection of [0, size)
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  Random random_;
  std::uint64_t size_;
  int half_bits_;
};

}  // namespace saffron::inline sdk_v1
