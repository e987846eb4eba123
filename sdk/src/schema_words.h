#pragma once

#include <saffron/schema.h>

#include <string>
#include <string_view>
#include <vector>

// How a schema's messages call parameters and values, and what they advise.

namespace saffron::inline sdk_v1 {

[[nodiscard]] std::string article(std::string_view noun);  // "a model", "an sae"
// "int", "model name": what one item of this parameter is called; "list of ints": all of them.
[[nodiscard]] std::string item_word(const ParamInfo& info);
[[nodiscard]] std::string list_word(const ParamInfo& info);
// `list`, `float 8.0`, `string "a"`: a value as messages show it. Secrets are never shown.
[[nodiscard]] std::string shown(const ParamInfo& info, const Value& value);

[[nodiscard]] bool type_matches(const ParamInfo& info, const Value& value);
// What to write instead of a value of the wrong type, where that can be guessed.
[[nodiscard]] std::string type_help(const ParamInfo& info, const Value& value);
[[nodiscard]] std::string unknown_help(const std::vector<ParamInfo>& fields,
                                       const std::string& key);
[[nodiscard]] std::string missing_help(const ParamInfo& info);

}  // namespace saffron::inline sdk_v1
