#include "pre_tokenizer.h"

#include "char_class.h"

#include <saffron/error.h>

#include <cstdint>

// Written out by hand, because a regular expression engine's character classes follow the Unicode
// version of the distribution, and ids would with them.

namespace saffron::tokenizer_detail {
namespace {

// End of the longest run of `kind` from `at`.
std::size_t run_end(std::string_view text, std::size_t at, std::size_t limit, CharClass kind) {
  while (at < limit) {
    const Char c = char_at(text, at);
    if (c.kind != kind) break;
    at += c.bytes;
  }
  return at;
}

bool is_newline(std::uint32_t code) { return code == '\r' || code == '\n'; }

// 's|'t|'re|'ve|'m|'ll|'d at an apostrophe: its length in bytes, or 0. Folding case as Unicode does
// also takes the long s (U+017F).
std::size_t contraction(std::string_view text, std::size_t at, std::size_t limit, bool fold) {
  const auto letter = [&](std::size_t i) -> char {
    if (at + i >= limit) return '\0';
    const char c = text[at + i];
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(1), second = letter(2);
  switch (first) {
    case 's':
    case 't':
    case 'm':
    case 'd': return 2;
    case 'r':
    case 'v': return second == 'e' ? 3 : 0;
    case 'l': return second == 'l' ? 3 : 0;
    default: break;
  }
  return fold && first == '\xC5' && second == '\xBF' ? 3 : 0;
}

// \s+(?!\S)|\s+ : a run of blanks, without its last one where something follows.
std::size_t blanks_end(std::string_view text, std::size_t at, std::size_t limit) {
  std::size_t last = at;
  for (std::size_t next = at; next < limit;) {
    const Char c = char_at(text, next);
    if (c.kind != CharClass::blank) return last == at ? next : last;
    last = next;
    next += c.bytes;
  }
  return limit;
}

// \s*[\r\n]+ : up to the last newline in a run of blanks; `at` where there is none.
std::size_t newlines_end(std::string_view text, std::size_t at, std::size_t limit) {
  std::size_t end = at;
  for (std::size_t next = at; next < limit;) {
    const Char c = char_at(text, next);
    if (c.kind != CharClass::blank) break;
    next += c.bytes;
    if (is_newline(c.code)) end = next;
  }
  return end;
}

struct KnownRegex {
  const char* name;
  const char* regex;
};
constexpr KnownRegex kKnownRegexes[] = {
    {"gpt-2", R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {"gpt-2", R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    {"llama-bpe", R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
                  R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {"qwen2", R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
              R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

}  // namespace

PreTokenizer pre_tokenizer_of_name(std::string_view name, std::string_view source) {
  if (name == "gpt-2") return PreTokenizer::gpt2;
  if (name == "smollm") return PreTokenizer::smollm;
  if (name == "llama-bpe") return PreTokenizer::llama3;
  if (name == "qwen2") return PreTokenizer::qwen2;
  throw Error(ErrorKind::data, cat("the pre-tokenizer '", name, "' is not supported"))
      .within(source)
      .with_help("supported: gpt-2, smollm, llama-bpe, qwen2");
}

std::string pre_tokenizer_of_regex(std::string_view regex) {
  for (const KnownRegex& known : kKnownRegexes) {
    if (regex == known.regex) return known.name;
  }
  return {};
}

PieceScanner::PieceScanner(PreTokenizer kind, std::string_view text) : kind_(kind), text_(text) {
  if (kind_ != PreTokenizer::smollm) limit_ = text_.size();
}

std::string_view PieceScanner::next() {
  const std::size_t begin = at_;
  if (begin ==
      limit_) {  // smollm: a numeric character is a piece; the rest goes up to the next one
    const Char first = char_at(text_, begin);
    limit_ = begin + first.bytes;
    if (is_numeric(first)) {
      at_ = limit_;
      return text_.substr(begin, at_ - begin);
    }
    while (limit_ < text_.size()) {
      const Char c = char_at(text_, limit_);
      if (is_numeric(c)) break;
      limit_ += c.bytes;
    }
  }
  const bool like_gpt2 = kind_ == PreTokenizer::gpt2 || kind_ == PreTokenizer::smollm;
  at_ = like_gpt2 ? gpt2_end(begin, limit_) : llama3_end(begin, limit_);
  return text_.substr(begin, at_ - begin);
}

std::size_t PieceScanner::gpt2_end(std::size_t at, std::size_t limit) const {
  if (text_[at] == '\'') {
    if (const std::size_t length = contraction(text_, at, limit, false)) return at + length;
  }
  // " ?" and then a run of letters, numbers or others.
  const std::size_t body = at + (text_[at] == ' ' ? 1 : 0);
  if (body < limit) {
    const Char c = char_at(text_, body);
    if (c.kind != CharClass::blank) return run_end(text_, body + c.bytes, limit, c.kind);
  }
  return blanks_end(text_, at, limit);
}

std::size_t PieceScanner::llama3_end(std::size_t at, std::size_t limit) const {
  if (text_[at] == '\'') {
    if (const std::size_t length = contraction(text_, at, limit, true)) return at + length;
  }
  const Char first = char_at(text_, at);
  const std::size_t second = at + first.bytes;
  if (first.kind == CharClass::letter) return run_end(text_, second, limit, CharClass::letter);
  if (first.kind == CharClass::number) {
    const int longest = kind_ == PreTokenizer::llama3 ? 3 : 1;
    std::size_t end = second;
    for (int count = 1; count < longest && end < limit; ++count) {
      const Char c = char_at(text_, end);
      if (c.kind != CharClass::number) break;
      end += c.bytes;
    }
    return end;
  }
  // [^\r\n\p{L}\p{N}]?\p{L}+
  if (!is_newline(first.code) && second < limit &&
      char_at(text_, second).kind == CharClass::letter) {
    return run_end(text_, second, limit, CharClass::letter);
  }
  //  ?[^\s\p{L}\p{N}]+[\r\n]*
  const std::size_t body = first.code == ' ' ? second : at;
  if (body < limit && char_at(text_, body).kind == CharClass::other) {
    std::size_t end = run_end(text_, body, limit, CharClass::other);
    while (end < limit && is_newline(static_cast<unsigned char>(text_[end]))) ++end;
    return end;
  }
  const std::size_t newlines = newlines_end(text_, at, limit);
  return newlines > at ? newlines : blanks_end(text_, at, limit);
}

}  // namespace saffron::tokenizer_detail
