#pragma once

#include "framework/loader/describe_rows.h"

#include <string>
#include <vector>

namespace saffron::host {

// Columns under one another, indented by two; a column is as wide as its widest cell that is not
// out of proportion, and the last one is not padded. The first row is the heading.
[[nodiscard]] std::string text_table(const std::vector<std::vector<std::string>>& rows);

// Parameters so, under "parameter" or "key".
[[nodiscard]] std::string param_table(const char* heading, const Value::List& params);

// "  recipe:     first line", and the others below it.
[[nodiscard]] std::string labelled(std::string_view label, const std::vector<std::string>& lines);

}  // namespace saffron::host
