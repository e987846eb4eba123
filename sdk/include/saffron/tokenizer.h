#pragma once

#include <saffron/namespace.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::inline sdk_v1 {

// Text to token ids and back.
//
//   decode(encode(text)) = text for every valid UTF-8 text (byte-level vocabularies)
//
// Pure and thread-safe. encode adds no special tokens and treats the spelling of a special token as
// plain text, unless `special` is true.
class SAFFRON_EXPORT Tokenizer {
 public:
  static constexpr const char* kKind = "tokenizer";
  static constexpr const char* kInterface = "saffron.tokenizer/1";
  using Interface = Tokenizer;

  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  virtual ~Tokenizer();

  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;
  // Error (data) on invalid UTF-8, with the byte offset.
  [[nodiscard]] virtual std::vector<std::int32_t> encode(std::string_view text,
                                                         bool special) const = 0;
  // The bytes of one token, maybe part of a character; of a special one, its spelling or nothing.
  [[nodiscard]] virtual std::string bytes(std::int32_t id) const = 0;
  // "<|im_start|>" for special tokens, as the vocabulary spells it otherwise.
  [[nodiscard]] virtual std::string spelling(std::int32_t id) const = 0;
  // -1 where the vocabulary has none.
  [[nodiscard]] virtual std::int32_t bos() const = 0;
  [[nodiscard]] virtual std::int32_t eos() const = 0;
};

// The concatenated bytes of ids, cut into one valid UTF-8 string a token for display: bytes of a
// character that spans tokens appear with the token that completes it, invalid ones as U+FFFD.
[[nodiscard]] SAFFRON_EXPORT std::vector<std::string> display_tokens(
    const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids);

}  // namespace saffron::inline sdk_v1
