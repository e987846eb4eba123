#include "char_class.h"

#include "unicode_ranges.h"

#include <vector>

namespace saffron::tokenizer_detail {
namespace {

constexpr std::uint32_t kCodes = 0x110000;
constexpr CodeRange kBlanks[] = {
    {0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
    {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
// Tolong Siki digits and yangqin signs: numbers in Unicode 17.0, unassigned in 16.0.
constexpr CodeRange kNewNumbers[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

template <std::size_t N>
void mark(std::vector<CharClass>& table, const CodeRange (&ranges)[N], CharClass kind) {
  for (const CodeRange range : ranges) {
    for (std::uint32_t code = range.first; code <= range.last; ++code) table[code] = kind;
  }
}

std::vector<CharClass> make_table() {
  std::vector<CharClass> table(kCodes, CharClass::other);
  mark(table, kLetters, CharClass::letter);
  mark(table, kNumbers, CharClass::number);
  mark(table, kBlanks, CharClass::blank);
  return table;
}

}  // namespace

CharClass char_class(std::uint32_t code) {
  static const std::vector<CharClass> table = make_table();
  return code < kCodes ? table[code] : CharClass::other;
}

bool is_numeric(const Char& c) {
  if (c.kind != CharClass::other) return c.kind == CharClass::number;
  for (const CodeRange range : kNewNumbers) {
    if (c.code >= range.first && c.code <= range.last) return true;
  }
  return false;
}

Char char_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const std::uint32_t lead = byte(0);
  Char c;
  if (lead < 0x80) {
    c.code = lead;
    c.bytes = 1;
  } else if (lead < 0xE0) {
    c.code = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    c.bytes = 2;
  } else if (lead < 0xF0) {
    c.code = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    c.bytes = 3;
  } else {
    c.code =
        (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    c.bytes = 4;
  }
  c.kind = char_class(c.code);
  return c;
}

}  // namespace saffron::tokenizer_detail
