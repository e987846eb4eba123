#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace saffron::tokenizer_detail {

// What a pre-tokeniser's regular expression sees of a character: \p{L}, \p{N}, \s or none of them.
enum class CharClass : std::uint8_t { other, letter, number, blank };

struct Char {
  std::uint32_t code = 0;
  CharClass kind = CharClass::other;
  std::uint8_t bytes = 0;
};

// Unicode 16.0, as in Oniguruma 6.9.10; \s is White_Space.
[[nodiscard]] CharClass char_class(std::uint32_t code);

// What the Digits pre-tokeniser of `tokenizers` 0.23 splits off: \p{N} of Unicode 17.0.
[[nodiscard]] bool is_numeric(const Char& c);

// The character at `at`, inside valid UTF-8.
[[nodiscard]] Char char_at(std::string_view text, std::size_t at);

}  // namespace saffron::tokenizer_detail
