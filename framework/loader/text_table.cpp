#include "framework/loader/text_table.h"

#include <saffron/error.h>

#include <algorithm>

namespace saffron::host {
namespace {

constexpr std::size_t kWidestColumn = 40;
constexpr std::size_t kLabelWidth = 12;

// Width in characters: UTF-8 continuation bytes take no column.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(const std::string& text, std::size_t width) {
  const std::size_t used = width_of(text);
  return text + std::string(width > used ? width - used : 0, ' ');
}

}  // namespace

std::string text_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c + 1 < row.size(); ++c) {
      widths[c] = std::max(widths[c], std::min(width_of(row[c]), kWidestColumn));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) line += "  " + padded(row[c], widths[c]);
    line.resize(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

std::string param_table(const char* heading, const Value::List& params) {
  std::vector<std::vector<std::string>> rows{{heading, "type", "default", "range", "meaning"}};
  for (ParamRow& row : param_rows(params)) {
    rows.push_back({row.name, row.type, row.standard, row.range, row.meaning});
  }
  return text_table(rows);
}

std::string labelled(std::string_view label, const std::vector<std::string>& lines) {
  std::string out, before = cat("  ", padded(cat(label, ':'), kLabelWidth));
  for (const std::string& line : lines) {
    out += before + line + '\n';
    before.assign(2 + kLabelWidth, ' ');
  }
  return out;
}

}  // namespace saffron::host
