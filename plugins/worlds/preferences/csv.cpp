#include "csv.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <algorithm>

namespace saffron::plugins {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string source)
    : text_(text), source_(std::move(source)) {
  check_utf8(text_, source_);
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
}

bool CsvReader::next() {
  fields_.clear();
  begins_.clear();
  unquoted_.clear();
  if (at_ == text_.size()) return false;
  record_line_ = line_;
  while (true) {
    begins_.push_back(at_);
    const bool quoted = at_ < text_.size() && text_[at_] == '"';
    quoted ? read_quoted() : read_plain();
    if (at_ == text_.size()) return true;
    if (text_[at_] == ',') {
      ++at_;
      continue;
    }
    at_ += text_[at_] == '\r' ? 2 : 1;
    ++line_;
    return true;
  }
}

bool CsvReader::at_end_of_line() const {
  return text_[at_] == '\n' ||
         (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n');
}

// Up to the comma or the line's end after it.
void CsvReader::read_plain() {
  const std::size_t begin = at_;
  for (; at_ < text_.size() && text_[at_] != ',' && !at_end_of_line(); ++at_) {
    if (text_[at_] == '"') {
      fail_at(
          at_, "a quote within a field that has none around it",
          "a field with quotes in it is in quotes, and each in it is doubled: \"say \"\"yes\"\"\"");
    }
    if (text_[at_] == '\r') {
      fail_at(at_, "a carriage return without a line feed", "lines end with LF or CR LF");
    }
  }
  fields_.push_back(text_.substr(begin, at_ - begin));
}

void CsvReader::read_quoted() {
  const std::size_t open = at_++;
  std::size_t begin = at_;
  std::string* joined = nullptr;
  while (true) {
    const std::size_t quote = text_.find('"', at_);
    if (quote == std::string_view::npos) fail_at(open, "a quote is opened here and never closed");
    line_ += std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                        text_.begin() + static_cast<std::ptrdiff_t>(quote), '\n');
    at_ = quote + 1;
    if (at_ < text_.size() && text_[at_] == '"') {  // a doubled one stands for itself
      if (joined == nullptr) joined = &unquoted_.emplace_back();
      joined->append(text_, begin, at_ - begin);
      begin = ++at_;
      continue;
    }
    if (at_ < text_.size() && text_[at_] != ',' && !at_end_of_line()) {
      fail_at(at_, "text after the quote that closes a field",
              "quotes stand around a whole field; each in it is doubled");
    }
    if (joined == nullptr) {
      fields_.push_back(text_.substr(begin, quote - begin));
    } else {
      joined->append(text_, begin, quote - begin);
      fields_.emplace_back(*joined);
    }
    return;
  }
}

void CsvReader::fail(std::size_t field, std::string message, std::string_view help) const {
  fail_at(begins_.at(field), std::move(message), help);
}

void CsvReader::fail_at(std::size_t offset, std::string message, std::string_view help) const {
  const std::string_view before = text_.substr(0, offset);
  const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
  const auto character = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto column =
      std::count_if(before.begin() + static_cast<std::ptrdiff_t>(start), before.end(), character);
  const auto line = std::count(before.begin(), before.end(), '\n');
  throw Error(ErrorKind::data, std::move(message))
      .at({.source = source_, .line = line + 1, .column = column + 1})
      .with_help(help);
}

}  // namespace saffron::plugins
