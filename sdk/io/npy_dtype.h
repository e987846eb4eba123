#pragma once

#include <cstdint>
#include <string_view>

namespace saffron::io_detail {

enum class NpyType : std::uint8_t { f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1 };

struct NpyDtype {
  std::string_view name;  // without the byte order
  NpyType type;
  std::uint64_t bytes;
};

inline constexpr NpyDtype kNpyDtypes[] = {
    {"f2", NpyType::f2, 2}, {"f4", NpyType::f4, 4}, {"f8", NpyType::f8, 8}, {"i1", NpyType::i1, 1},
    {"i2", NpyType::i2, 2}, {"i4", NpyType::i4, 4}, {"i8", NpyType::i8, 8}, {"u1", NpyType::u1, 1},
    {"u2", NpyType::u2, 2}, {"u4", NpyType::u4, 4}, {"u8", NpyType::u8, 8}, {"b1", NpyType::b1, 1},
};

// By a descr such as "<f4" or "|u1"; nullptr when it is none of ours.
[[nodiscard]] inline const NpyDtype* find_npy_dtype(std::string_view descr) {
  if (descr.empty() || std::string_view("<|=").find(descr.front()) == descr.npos) return nullptr;
  for (const NpyDtype& dtype : kNpyDtypes) {
    if (dtype.name == descr.substr(1)) return &dtype;
  }
  return nullptr;
}

}  // namespace saffron::io_detail
