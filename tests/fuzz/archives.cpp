#include "tests/fuzz/fuzz.h"

#include <saffron/archives.h>

#include <ATen/core/Tensor.h>

namespace {

void read_all(const saffron::TensorReader& file) {
  for (const saffron::TensorInfo& info : file.tensors()) {
    saffron::fuzz::accepts([&] { (void)file.tensor(info.name).contiguous().clone(); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  const ByteView file{std::as_bytes(std::span(data, size)), nullptr};
  fuzz::accepts([&] { read_all(NpzFile::parse(file, "x.npz")); });
  fuzz::accepts([&] { read_all(TorchFile::parse(file, "x.pt")); });
  return 0;
}
