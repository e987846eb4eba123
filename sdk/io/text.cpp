#include "descriptor.h"

#include <algorithm>

namespace saffron::io_detail {
namespace {

// Length of the valid UTF-8 sequence at `text[at]`, 0 when there is none (Unicode 15, table 3-7:
// no overlong forms, no surrogates, nothing above U+10FFFF).
std::size_t sequence_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length) return 0;
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

}  // namespace saffron::io_detail

namespace saffron::inline sdk_v1 {

void check_utf8(std::string_view text, std::string_view source) {
  const auto invalid = io_detail::first_invalid_utf8(text);
  if (!invalid) return;
  const std::string_view before = text.substr(0, *invalid);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::string_view same_line = before.substr(before.rfind('\n') + 1);  // npos + 1 is 0
  const auto column =
      std::count_if(same_line.begin(), same_line.end(), [](char c) { return (c & 0xC0) != 0x80; }) +
      1;
  constexpr char kDigits[] = "0123456789ABCDEF";
  const auto byte = static_cast<unsigned char>(text[*invalid]);
  throw Error(ErrorKind::data, cat("not valid UTF-8 at byte offset ", *invalid, " (byte 0x",
                                   kDigits[byte >> 4], kDigits[byte & 0xF], ")"))
      .at({std::string(source), line, column});
}

std::string read_text(const std::filesystem::path& path) {
  std::string text;
  io_detail::read_chunks(path, [&](std::span<const std::byte> chunk) {
    text.append(reinterpret_cast<const char*>(chunk.data()), chunk.size());
  });
  return text;
}

std::string read_utf8(const std::filesystem::path& path) {
  std::string text = read_text(path);
  check_utf8(text, path.string());
  return text;
}

}  // namespace saffron::inline sdk_v1
