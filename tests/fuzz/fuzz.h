#pragma once

#include <saffron/error.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string_view>
#include <vector>

// What the fuzz targets share. A target is one file with LLVMFuzzerTestOneInput(bytes), linked to
// libFuzzer (preset `fuzz`) or to replay.cpp (every other build).
//
// A parser may accept the bytes or throw saffron::Error. A crash, any other exception, a broken
// `require` or an endless loop is a finding.

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace saffron::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Runs `parse`; true unless it threw saffron::Error.
template <class Parse>
bool accepts(const Parse& parse) {
  try {
    parse();
    return true;
  } catch (const Error&) {
    return false;
  }
}

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "broken: " << what << "\n";
  std::abort();
}

// The input cut at NUL bytes: which no text format here contains, so that one input can be several
// files or arguments.
std::vector<std::string_view> parts_of(std::string_view input);

// A folder of this process, removed at its end, for parsers that take a path.
const std::filesystem::path& folder();
// Writes a file there (not atomically: no fsync a million times) and returns its path.
std::filesystem::path write(const char* name, std::string_view content);

}  // namespace saffron::fuzz
