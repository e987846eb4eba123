#include "tests/fuzz/fuzz.h"

#include <saffron/byte_bpe.h>

// tokenizer.json, after a NUL tokenizer_config.json, after another a text to encode.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace saffron;
  auto parts = fuzz::parts_of(fuzz::text_of(data, size));
  parts.resize(3);
  fuzz::write("tokenizer.json", parts[0]);
  if (parts[1].empty()) {
    std::filesystem::remove(fuzz::folder() / "tokenizer_config.json");
  } else {
    fuzz::write("tokenizer_config.json", parts[1]);
  }
  fuzz::accepts([&] {
    const auto tokenizer = byte_bpe_from_huggingface(fuzz::folder());
    for (const std::string_view text :
         {parts[2], std::string_view("low lower 12's \xE2\x98\x83\n")}) {
      for (const bool special : {false, true}) {
        fuzz::accepts([&] {
          const auto ids = tokenizer->encode(text, special);
          fuzz::require(display_tokens(*tokenizer, ids).size() == ids.size(), "one text a token");
        });
      }
    }
    (void)tokenizer->bos();
    (void)tokenizer->eos();
  });
  return 0;
}
