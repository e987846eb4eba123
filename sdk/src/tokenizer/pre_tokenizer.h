#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace saffron::tokenizer_detail {

// How text is cut before merges, named as GGUF files name it:
//   gpt2      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   smollm    every numeric character by itself, then gpt2 on what lies between
//   llama3    (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
//              ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//   qwen2     llama3 with \p{N} in place of \p{N}{1,3}
enum class PreTokenizer { gpt2, smollm, llama3, qwen2 };

// "gpt-2", "smollm", "llama-bpe" or "qwen2"; Error (data) otherwise.
[[nodiscard]] PreTokenizer pre_tokenizer_of_name(std::string_view name, std::string_view source);
// The name whose regular expression this is (as tokenizer.json files spell it); "" for others.
[[nodiscard]] std::string pre_tokenizer_of_regex(std::string_view regex);

// Cuts valid UTF-8 into pieces, front to back. Every byte is in exactly one piece.
class PieceScanner {
 public:
  PieceScanner(PreTokenizer kind, std::string_view text);
  [[nodiscard]] bool done() const { return at_ == text_.size(); }
  [[nodiscard]] std::string_view next();

 private:
  [[nodiscard]] std::size_t gpt2_end(std::size_t at, std::size_t limit) const;
  [[nodiscard]] std::size_t llama3_end(std::size_t at, std::size_t limit) const;

  PreTokenizer kind_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t limit_ = 0;  // where the part that the regular expression sees ends
};

}  // namespace saffron::tokenizer_detail
