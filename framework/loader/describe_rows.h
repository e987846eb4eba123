#pragma once

#include <saffron/value.h>

#include <string>
#include <string_view>
#include <vector>

// What `inspect`, reference pages and editors' hints have in common: the words for a description
// (describe.h).

namespace saffron::host {

// The string, the flag or the list under a key of a description; "", false or empty without one.
[[nodiscard]] std::string text_at(const Value& table, std::string_view key);
[[nodiscard]] bool flag_at(const Value& table, std::string_view key);
[[nodiscard]] const Value::List& list_at(const Value& table, std::string_view key);

struct ParamRow {
  std::string name, type, standard, range, meaning;  // `standard`: what it is when not given
};
[[nodiscard]] ParamRow param_row(const Value& param);
// Every parameter that is not hidden, each followed by its fields: "aux", "aux.k".
[[nodiscard]] std::vector<ParamRow> param_rows(const Value::List& params);

// "[deterministic] [graph safe]"
[[nodiscard]] std::string flags_text(const Value& component);

// The least that a recipe must say, as TOML: the table, `use` and what is required. Words in
// capitals are to be replaced.
[[nodiscard]] std::vector<std::string> snippet(const Value& description);

// "1 component", "2 components"
[[nodiscard]] std::string counted(std::size_t count, std::string_view noun);

}  // namespace saffron::host
