#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// GPT-2 spells each byte as one printable character: itself where it is printable in Latin-1, and
// U+0100, U+0101, ... for the others in order (openai/gpt-2, encoder.py, bytes_to_unicode).

namespace saffron::tokenizer_detail {

// The UTF-8 spelling of a byte: " " is "Ġ".
[[nodiscard]] const std::string& byte_spelling(std::uint8_t byte);

// The bytes that `spelling` stands for. A spelling with a character outside the alphabet stands for
// itself.
[[nodiscard]] std::string spelled_bytes(std::string_view spelling);

}  // namespace saffron::tokenizer_detail
