#include "tests/fuzz/fuzz.h"

#include <saffron/io.h>

#include <ATen/core/Tensor.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  fuzz::accepts([&] {
    const at::Tensor array = read_npy({std::as_bytes(std::span(data, size)), nullptr}, "x");
    fuzz::require(static_cast<std::uint64_t>(array.nbytes()) <= size, "an array is in its file");
    (void)array.contiguous().clone();
  });
  return 0;
}
