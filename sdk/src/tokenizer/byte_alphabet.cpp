#include "byte_alphabet.h"

#include <array>

namespace saffron::tokenizer_detail {
namespace {

constexpr bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<std::string, 256> spelling;
  std::array<std::int16_t, 0x144> byte_of{};  // by code point; -1 outside the alphabet

  Alphabet() {
    byte_of.fill(-1);
    int next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const int code = is_printable(byte) ? byte : next++;
      byte_of[static_cast<std::size_t>(code)] = static_cast<std::int16_t>(byte);
      std::string& text = spelling[static_cast<std::size_t>(byte)];
      if (code >= 0x80) {
        text += static_cast<char>(0xC0 | code >> 6);
        text += static_cast<char>(0x80 | (code & 0x3F));
      } else {
        text += static_cast<char>(code);
      }
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet made;
  return made;
}

}  // namespace

const std::string& byte_spelling(std::uint8_t byte) { return alphabet().spelling[byte]; }

std::string spelled_bytes(std::string_view spelling) {
  const auto& byte_of = alphabet().byte_of;
  std::string bytes;
  for (std::size_t at = 0; at < spelling.size();) {
    std::size_t code = static_cast<unsigned char>(spelling[at++]);
    if (code >= 0x80) {  // the alphabet ends at U+0143: two bytes of UTF-8
      if (code < 0xC2 || code > 0xC5 || at == spelling.size()) return std::string(spelling);
      code = (code & 0x1F) << 6 | (static_cast<unsigned char>(spelling[at++]) & 0x3F);
    }
    if (code >= byte_of.size() || byte_of[code] < 0) return std::string(spelling);
    bytes += static_cast<char>(byte_of[code]);
  }
  return bytes;
}

}  // namespace saffron::tokenizer_detail
