#include <saffron/tokenizer.h>

#include <cstddef>

namespace saffron::inline sdk_v1 {
namespace {

// What the bytes at the front of `bytes` are: `length` bytes that are a character, or are no part
// of one (to be shown as U+FFFD); or the beginning of a character that is not complete.
struct Front {
  std::size_t length = 0;
  enum class Kind { character, invalid, incomplete } kind = Kind::invalid;
};

// Unicode 16, table 3-7. An ill-formed sequence is cut as recommended there (section 3.9): its
// longest part that could begin a character is one replacement character.
Front front_of(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, Front::Kind::character};
  if (lead < 0xC2 || lead > 0xF4) return {1, Front::Kind::invalid};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  for (std::size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {i, Front::Kind::incomplete};
    unsigned char low = 0x80, high = 0xBF;
    if (i == 1) {
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    }
    if (byte(i) < low || byte(i) > high) return {i, Front::Kind::invalid};
  }
  return {length, Front::Kind::character};
}

constexpr const char* kReplacement = "\xEF\xBF\xBD";

}  // namespace

Tokenizer::~Tokenizer() = default;

std::vector<std::string> display_tokens(const Tokenizer& tokenizer,
                                        const std::vector<std::int32_t>& ids) {
  std::vector<std::string> shown(ids.size());
  std::string pending;  // not yet shown: the beginning of a character, from earlier tokens
  for (std::size_t i = 0; i < ids.size(); ++i) {
    pending += tokenizer.bytes(ids[i]);
    std::size_t at = 0;
    while (at < pending.size()) {
      const Front front = front_of(std::string_view(pending).substr(at));
      if (front.kind == Front::Kind::incomplete && i + 1 < ids.size()) break;
      if (front.kind == Front::Kind::character) {
        shown[i].append(pending, at, front.length);
      } else {
        shown[i] += kReplacement;
      }
      at += front.length;
    }
    pending.erase(0, at);
  }
  return shown;
}

}  // namespace saffron::inline sdk_v1
