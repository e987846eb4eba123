#pragma once

#include <saffron/schema.h>
#include <saffron/value.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Parameters in the words of JSON Schema.

namespace saffron::host {

// {key: value}
[[nodiscard]] Value object(std::string_view key, Value value);
void add_all(Value& table, Value more);
// Says that it allows keys that it does not know, as is so without a word: Tombi warns otherwise.
[[nodiscard]] Value open(Value schema);
[[nodiscard]] Value strings(const std::vector<std::string>& words);
// {"$ref": "#/definitions/NAME"}
[[nodiscard]] Value reference_to(const std::string& definition);

// One value of the parameter, whose default and meaning come with it. `owner` is the component
// that has it, "" for keys of a table's own.
[[nodiscard]] Value param_schema(const ParamInfo& param, const std::string& owner = {});
// Adds every parameter to `properties`, former names as well; and to `dependencies` that both of a
// parameter's names exclude each other.
void add_params(const std::vector<ParamInfo>& params, const std::string& owner, Value& properties,
                Value& dependencies);
// A table of these parameters and no others.
[[nodiscard]] Value table_schema(const std::vector<ParamInfo>& params, const std::string& owner);

// What must be given of the parameters, at any depth; nullopt when nothing is required.
[[nodiscard]] std::optional<Value> needs_of(const std::vector<ParamInfo>& params);

// The definition of a component of the kind among another's parameters, which has no keys of a recipe's
// table of its own, such as a comparator's `world`.
[[nodiscard]] std::string nested_definition(const std::string& kind);

// The kinds of the nested components that the parameters take, at any depth.
void add_nested_kinds(const std::vector<ParamInfo>& params, std::vector<std::string>& kinds);

}  // namespace saffron::host
