#include "tests/fuzz/fuzz.h"

#include <saffron/byte_bpe.h>
#include <saffron/io.h>

#include <ATen/core/Tensor.h>

// The header, its metadata by every type, every tensor dequantised, and the tokenizer in it.

namespace {

using namespace saffron;

void read_entry(const GgufFile& file, const GgufEntry& entry) {
  fuzz::accepts([&] { (void)file.text(entry.key); });
  fuzz::accepts([&] { (void)file.integer(entry.key); });
  fuzz::accepts([&] { (void)file.real(entry.key); });
  fuzz::accepts([&] { (void)file.flag(entry.key); });
  fuzz::accepts([&] { (void)file.texts(entry.key); });
  fuzz::accepts([&] { (void)file.integers(entry.key); });
  fuzz::accepts([&] { (void)file.reals(entry.key); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::accepts([&] {
    const auto file = GgufFile::parse({std::as_bytes(std::span(data, size)), nullptr}, "x");
    for (const GgufEntry& entry : file.metadata()) read_entry(file, entry);
    for (const TensorInfo& info : file.tensors()) {
      fuzz::accepts([&] {
        const at::Tensor tensor = file.tensor(info.name).clone();
        if (tensor.dim() > 0) {
          (void)file.rows(info.name, tensor.size(0) / 2, tensor.size(0) / 4).clone();
        }
      });
    }
    fuzz::accepts([&] {
      const auto tokenizer = byte_bpe_from_gguf(file);
      const auto ids = tokenizer->encode("The 12 quick's \xC3\xA9\n", true);
      (void)display_tokens(*tokenizer, ids);
    });
  });
  return 0;
}
