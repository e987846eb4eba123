#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace saffron::io_detail {

// One element type of GGUF tensors: `block` elements are stored in `bytes` bytes, and `expand`
// turns `count` such blocks into float32 (null: the type is known but cannot be read).
struct GgufElement {
  std::uint32_t id;
  std::string_view name;
  std::uint32_t block;
  std::uint32_t bytes;
  void (*expand)(const std::byte* blocks, std::size_t count, float* out);
};

[[nodiscard]] const GgufElement* find_gguf_element(std::uint32_t id);
[[nodiscard]] const GgufElement* find_gguf_element(std::string_view name);
// "F32 F16 ...": the types with `expand`.
[[nodiscard]] std::string_view readable_gguf_elements();

}  // namespace saffron::io_detail
