// saffron_tokenize [--special] MODEL FILE: the ids of FILE's text, one a line, by the tokenizer of
// MODEL (a GGUF file, or a folder with tokenizer.json). For tests/peers/test_tokenizer.py.

#include <saffron/byte_bpe.h>
#include <saffron/io.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool special = std::erase(arguments, "--special") > 0;
  if (arguments.size() != 2) {
    std::fputs("usage: saffron_tokenize [--special] MODEL FILE\n", stderr);
    return 2;
  }
  try {
    const auto tokenizer = std::filesystem::is_directory(arguments[0])
                               ? saffron::byte_bpe_from_huggingface(arguments[0])
                               : saffron::byte_bpe_from_gguf(saffron::GgufFile::open(arguments[0]));
    std::string out;
    for (const auto id : tokenizer->encode(saffron::read_text(arguments[1]), special)) {
      out += std::to_string(id) + '\n';
    }
    std::fwrite(out.data(), 1, out.size(), stdout);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
