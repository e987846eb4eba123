#include "added_tokens.h"

#include "char_class.h"

#include <algorithm>

namespace saffron::tokenizer_detail {
namespace {

// Where the blanks at the end of text[0, end) begin, not before `low`.
std::size_t blanks_begin(std::string_view text, std::size_t low, std::size_t end) {
  while (end > low) {
    std::size_t start = end - 1;
    while (start > low && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (char_at(text, start).kind != CharClass::blank) break;
    end = start;
  }
  return end;
}

std::size_t blanks_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const Char c = char_at(text, at);
    if (c.kind != CharClass::blank) break;
    at += c.bytes;
  }
  return at;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.text.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) {
    return a.text.size() > b.text.size();
  });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    by_first_[static_cast<unsigned char>(tokens_[i].text[0])].push_back(
        static_cast<std::uint32_t>(i));
    any_plain_ |= !tokens_[i].special;
  }
}

const AddedToken* AddedTokens::longest_at(std::string_view text, std::size_t at) const {
  const std::string_view rest = text.substr(at);
  for (const std::uint32_t i : by_first_[static_cast<unsigned char>(text[at])]) {
    if (rest.starts_with(tokens_[i].text)) return &tokens_[i];
  }
  return nullptr;
}

void AddedTokens::split(std::string_view text, bool special, std::vector<TextPart>& out) const {
  std::size_t begin = 0;  // of the text that is not yet in a part
  const bool nothing_to_find = tokens_.empty() || (!special && !any_plain_);
  for (std::size_t at = 0; at < text.size() && !nothing_to_find;) {
    const AddedToken* token = longest_at(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    const std::size_t start = at;
    at += token->text.size();
    if (token->special && !special) continue;
    const std::size_t first = token->lstrip ? blanks_begin(text, begin, start) : start;
    const std::size_t last = token->rstrip ? blanks_end(text, at) : at;
    if (first > begin) out.push_back({text.substr(begin, first - begin)});
    out.push_back({text.substr(first, last - first), token->id});
    begin = last;
    at = last;
  }
  if (begin < text.size()) out.push_back({text.substr(begin)});
}

}  // namespace saffron::tokenizer_detail
