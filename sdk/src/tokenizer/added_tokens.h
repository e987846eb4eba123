#pragma once

#include <saffron/byte_bpe.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace saffron::tokenizer_detail {

// A part of a text: an added token (id >= 0) or what lies between two.
struct TextPart {
  std::string_view text;
  std::int32_t id = -1;
};

// Finds added tokens: the leftmost first, of those that begin there the longest, without overlap.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // Cuts `text`, adding its parts to `out`; special tokens only if `special`. With `special` false
  // a special token's spelling stays text, and no other token is looked for inside of it.
  void split(std::string_view text, bool special, std::vector<TextPart>& out) const;

 private:
  [[nodiscard]] const AddedToken* longest_at(std::string_view text, std::size_t at) const;

  std::vector<AddedToken> tokens_;                        // longest first
  std::array<std::vector<std::uint32_t>, 256> by_first_;  // positions in tokens_, by first byte
  bool any_plain_ = false;
};

}  // namespace saffron::tokenizer_detail
