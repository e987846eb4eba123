#pragma once

#include "tests/caught.h"
#include "tests/identical.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"

#include <saffron/io.h>

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace saffron::io_test {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(kSourceDir) / "tests/fixtures/io" / name;
}

using test::caught;
using test::identical;
using test::TemporaryFolder;

inline ByteView view_of(const std::string& bytes) {
  return {std::as_bytes(std::span(bytes)), nullptr};
}

inline std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// The bytes of an integer, little-endian, as the formats write it.
template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace saffron::io_test
