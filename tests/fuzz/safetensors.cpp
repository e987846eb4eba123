#include "tests/fuzz/fuzz.h"

#include <saffron/io.h>

#include <ATen/core/Tensor.h>

// The header, and every tensor that it offers.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  fuzz::accepts([&] {
    const auto file = SafetensorsFile::parse({std::as_bytes(std::span(data, size)), nullptr}, "x");
    for (const TensorInfo& info : file.tensors()) {
      fuzz::accepts([&] {
        const at::Tensor tensor = file.tensor(info.name);
        fuzz::require(static_cast<std::uint64_t>(tensor.nbytes()) <= size,
                      "a tensor is in its file");
        (void)tensor.clone();
        if (tensor.dim() > 0) {
          (void)file.rows(info.name, tensor.size(0) / 2, tensor.size(0) / 4).clone();
        }
      });
    }
    (void)file.metadata("format");
  });
  return 0;
}
