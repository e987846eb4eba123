#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace saffron::io_detail {

// Bits of one element of a safetensors dtype; nothing for a dtype that this version does not know.
[[nodiscard]] inline std::optional<std::uint64_t> safetensors_bits(std::string_view dtype) {
  struct Width {
    std::string_view dtype;
    std::uint64_t bits;
  };
  static constexpr Width kWidths[] = {
      {"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
      {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
      {"I32", 32},    {"U32", 32}, {"F32", 32}, {"F64", 64},    {"I64", 64},
      {"U64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
  };
  for (const Width& width : kWidths) {
    if (width.dtype == dtype) return width.bits;
  }
  return std::nullopt;
}

}  // namespace saffron::io_detail
