#pragma once

#include <saffron/schema.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {

struct TomlText {
  Value root = Value::table();
  bool parsed = true;             // false after a syntax error: `root` is empty
  std::vector<Problem> problems;  // a syntax error (the first), values that recipes do not know
};

// The whole text as one table. Every value and key has its position in `source`; tables keep the
// order of the text. Dates and times are problems: no parameter takes one.
[[nodiscard]] TomlText parse_toml(std::string_view text, const std::string& source);

struct TomlValue {
  std::optional<Value> value;  // empty when the text is not TOML
  std::vector<Problem> problems;
};

// One value, as on the right side of a key, that starts at `column` (>= 3) of a one-line source.
[[nodiscard]] TomlValue parse_toml_value(std::string_view text, const std::string& source,
                                         std::int64_t column);

}  // namespace saffron::host
