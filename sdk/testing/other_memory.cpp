#include "testing/other_memory.h"

#include <malloc.h>

#include <cstddef>
#include <cstdlib>

namespace saffron::testing {
namespace {

constexpr std::size_t kLargest = 2048;  // bytes: larger blocks are not kept for the next who asks
constexpr std::size_t kStep = 16;
constexpr int kOfEach = 16;  // glibc keeps 7 of a size ready, which it fills with nothing
constexpr int kPositive = 0xC1, kNegative = 0x41;  // new bytes are the complement: 0x3E, 0xBE

}  // namespace

OtherMemory::OtherMemory(Filled filled) {
  ::mallopt(M_PERTURB, filled == Filled::positive ? kPositive : kNegative);
  taken_.reserve(kLargest / kStep * kOfEach);
  for (std::size_t size = kStep; size <= kLargest; size += kStep) {
    for (int i = 0; i < kOfEach; ++i) taken_.push_back(std::malloc(size));
  }
}

OtherMemory::~OtherMemory() {
  for (void* block : taken_) std::free(block);
  ::mallopt(M_PERTURB, 0);
}

}  // namespace saffron::testing
