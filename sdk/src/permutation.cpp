#include <saffron/error.h>
#include <saffron/random.h>

#include <algorithm>
#include <bit>
#include <utility>

namespace saffron::inline sdk_v1 {

Permutation::Permutation(Random random, std::uint64_t size)
    : random_(random.fork("permutation")),
      size_(size),
      half_bits_(std::max(1, (64 - std::countl_zero(size > 0 ? size - 1 : 0) + 1) / 2)) {}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
  if (index >= size_) {
    throw Error(cat("Permutation: index ", index, " is outside [0, ", size_, ")"));
  }
  constexpr std::uint64_t kFeistelRounds = 8;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  do {
    std::uint64_t left = index >> half_bits_, right = index & mask;
    for (std::uint64_t round = 0; round < kFeistelRounds; ++round) {
      const std::uint64_t mixed = philox(random_.key(), right, round)[0];
      left ^= mixed & mask;
      std::swap(left, right);
    }
    index = left << half_bits_ | right;
  } while (index >= size_);
  return index;
}

}  // namespace saffron::inline sdk_v1
