#include "testing/checks/texts.h"

#include "testing/expect.h"

#include <algorithm>
#include <iterator>

namespace saffron::testing {
namespace {

constexpr std::size_t kShown = 40;
constexpr std::uint64_t kRareLength = 24;

void append_utf8(std::uint32_t code, std::string& out) {
  const auto byte = [&](std::uint32_t bits) { out += static_cast<char>(bits); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

}  // namespace

std::vector<std::string> common_texts() {
  return {"",
          " ",
          "a",
          "In the beginning God created the heaven and the earth.",
          "  leading, trailing \t and   several    blanks  ",
          "one\ntwo\r\nthree\r\n\r\n\n  four\n",
          "I'm sure they'll say it's what we've done; WE'LL SEE.",
          "for (int i = 0; i < 10; ++i) { a[i] *= 0x1F; }  // 3.14e-10",
          "12 345 6789 1,000,000",
          "na\xC3\xAFve caf\xC3\xA9, Stra\xC3\x9F"
          "e",
          "cafe\xCC\x81 a\xCC\x8A\xCC\xA3",  // combining marks
          "\xD0\xA0\xD1\x83\xD1\x81\xD1\x81\xD0\xBA\xD0\xB8\xD0\xB9 \xCE\x95\xCE\xBB\xCE\xBB",
          "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E\xE3\x80\x82 \xED\x95\x9C\xEA\xB5\xAD",
          "\xD8\xA7\xD9\x84\xD8\xB9 \xD7\xA2\xD7\x91 \xE0\xA4\xB9\xE0\xA4\xBF",
          "\xF0\x9F\x98\x80\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD "  // emoji, with a modifier, joined
          "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7",
          "a\xC2\xA0"
          "b\xE3\x80\x80"
          "c"};  // blanks of other kinds
}

std::string rare_text(const Random& random) {
  std::string out;
  for (std::uint64_t i = 0; i < kRareLength; ++i) {
    const std::uint64_t sort = random.below(4, i);
    // Half of them are control characters and the end of the two-byte range.
    const std::uint64_t bound = sort == 0 ? 0x20 : sort == 1 ? 0x800 : 0x10F800;
    auto code = static_cast<std::uint32_t>(random.below(bound, i, 1));
    if (code >= 0xD800) code += 0x800;  // over the surrogates
    append_utf8(code, out);
  }
  return out;
}

std::string quoted(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "'";
  for (const char c : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F) {
      out += c;
    } else {
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 0xF]};
    }
  }
  return out + (text.size() > kShown ? "...'" : "'");
}

void check_roundtrip(const Tokenizer& tokenizer, const std::string& text) {
  std::string back;
  for (const std::int32_t id : tokenizer.encode(text, false)) back += tokenizer.bytes(id);
  if (back == text) return;
  const auto apart = std::mismatch(text.begin(), text.end(), back.begin(), back.end()).first;
  fail(cat("the tokens of ", quoted(text), " have the bytes ", quoted(back), ": other from byte ",
           std::distance(text.begin(), apart), " on"));
}

}  // namespace saffron::testing
