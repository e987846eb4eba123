#include "documents.h"

#include <algorithm>

namespace saffron::plugins {
namespace {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

std::string_view without_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace

void cut(std::string_view text, Unit unit, std::uint32_t file, std::vector<Document>& out) {
  if (unit == Unit::file) {
    if (!is_blank(text)) out.push_back({file, 1, text});
    return;
  }
  std::size_t begin = 0;   // of the paragraph being read
  std::int64_t first = 0;  // its line; 0: none
  const auto finish = [&](std::size_t end) {
    if (first > 0) out.push_back({file, first, without_end(text.substr(begin, end - begin))});
    first = 0;
  };
  std::int64_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    ++number;
    if (unit == Unit::line || is_blank(text.substr(at, end - at))) finish(at);
    if (first == 0 && !is_blank(text.substr(at, end - at))) {
      begin = at;
      first = number;
    }
    at = end;
  }
  finish(text.size());
}

}  // namespace saffron::plugins
