#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::plugins {

// Comma-separated values as RFC 4180 has them, and no other dialect: fields between commas; those with a
// comma, a quote or a line's end are in quotes, a quote in them doubled; lines end with LF or CR LF, the
// last one may lack it. A byte order mark is passed over. UTF-8. Blanks belong to fields.
//
// Error (data) with line and column, in characters, from 1.
class CsvReader {
 public:
  // `text` must outlive the reader.
  CsvReader(std::string_view text, std::string source);

  // Reads a record; false after the last one.
  [[nodiscard]] bool next();
  // Of the record that was read; valid until the next one.
  [[nodiscard]] const std::vector<std::string_view>& fields() const { return fields_; }
  [[nodiscard]] std::int64_t line() const { return record_line_; }  // where it begins

  // Error (data) at a field of the record.
  [[noreturn]] void fail(std::size_t field, std::string message, std::string_view help = {}) const;

 private:
  [[noreturn]] void fail_at(std::size_t offset, std::string message,
                            std::string_view help = {}) const;
  void read_plain();
  void read_quoted();
  [[nodiscard]] bool at_end_of_line() const;

  std::string_view text_;
  std::string source_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1, record_line_ = 0;
  std::vector<std::string_view> fields_;
  std::vector<std::size_t> begins_;   // of fields, offsets in the text
  std::deque<std::string> unquoted_;  // fields that had doubled quotes
};

}  // namespace saffron::plugins
