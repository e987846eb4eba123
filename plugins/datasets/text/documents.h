#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace saffron::plugins {

// What counts as one document: between two of them stands the separator token.
enum class Unit : std::uint8_t { file, line, blank_line };

struct Document {
  std::uint32_t file = 0;
  std::int64_t line = 1;  // of its first character, 1-based
  std::string_view text;
};

// Appends the documents of one file's text. Documents of white space alone are left out.
//   line         each line, without its end (\n or \r\n)
//   blank_line   each run of lines that are not blank, without the last one's end
void cut(std::string_view text, Unit unit, std::uint32_t file, std::vector<Document>& out);

}  // namespace saffron::plugins
