#include "framework/author/json_params.h"

#include "framework/recipe/node_keys.h"

#include "framework/loader/describe.h"
#include "framework/loader/describe_rows.h"
#include "framework/recipe/kinds.h"

#include <saffron/range.h>

#include <algorithm>
#include <cmath>

namespace saffron::host {
namespace {

constexpr double kLargestExact = 9'007'199'254'740'992;  // 2^53
// As decoding wants the name of an environment variable.
constexpr const char* kVariablePattern = "^[A-Z_][A-Z0-9_]*$";

Value number(double value) {
  const bool whole = value == std::floor(value) && std::abs(value) <= kLargestExact;
  return whole ? Value(static_cast<std::int64_t>(value)) : Value(value);
}

void set_bounds(Value& out, const std::string& range) {
  const Bounds bounds = bounds_of(range);
  if (!std::isinf(bounds.low)) {
    out.set(bounds.low_open ? "exclusiveMinimum" : "minimum", number(bounds.low));
  }
  if (!std::isinf(bounds.high)) {
    out.set(bounds.high_open ? "exclusiveMaximum" : "maximum", number(bounds.high));
  }
}

// A table with `use`; where nodes provide such a component, a node's name as well.
void set_component(Value& out, const std::string& kind) {
  const Value table = reference_to(nested_definition(kind));
  if (providers_of(kind).empty()) {
    out.set("type", Value("object"));
    Value all = Value::list();
    all.push(table);
    out.set("allOf", std::move(all));
    return;
  }
  out.set("type", strings({"string", "object"}));
  out.set("if", object("type", Value("object")));
  out.set("then", table);
  out.set("else", object("minLength", Value(1)));
  Value any = Value::list();
  any.push(Value(true));
  any.push(table);
  out.set("anyOf", std::move(any));
}

// One item of a list, or the one value.
void set_item(Value& out, const ParamInfo& param, const std::string& owner) {
  switch (param.type) {
    case ParamType::boolean: out.set("type", Value("boolean")); break;
    case ParamType::integer: out.set("type", Value("integer")); break;
    case ParamType::real: out.set("type", Value("number")); break;
    case ParamType::string:
    case ParamType::path: out.set("type", Value("string")); break;
    case ParamType::secret:
      out.set("type", Value("string"));
      out.set("pattern", Value(kVariablePattern));
      break;
    case ParamType::reference:
      out.set("type", Value("string"));
      out.set("minLength", Value(1));
      break;
    case ParamType::component: set_component(out, param.component_kind); break;
    case ParamType::table: add_all(out, table_schema(param.fields, owner)); break;
  }
  if (param.type == ParamType::integer || param.type == ParamType::real) {
    set_bounds(out, param.range);
  }
  if (!param.choices.empty()) out.set("enum", strings(param.choices));
}

// "active latents a row", and below it "topk: int, >= 1, default 32".
std::string hint(const ParamInfo& param, const std::string& owner) {
  const ParamRow row = param_row(describe(param));
  std::string facts = row.type;
  if (!row.range.empty()) facts += ", " + row.range;
  const bool has_default = !param.required && param.default_value && param.fields.empty();
  if (has_default) facts += ", default " + row.standard;
  if (param.required) facts += ", required";
  return cat(row.meaning, "\n\n", owner.empty() ? "" : cat(owner, ": "), facts);
}

Value former(const ParamInfo& param, const std::string& owner) {
  Value out = param_schema(param, owner);
  out.set("description", Value(cat("The former name of '", param.name, "'.")));
  out.set("deprecated", Value(true));
  return out;
}

}  // namespace

Value object(std::string_view key, Value value) {
  Value out = Value::table();
  out.set(key, std::move(value));
  return out;
}

void add_all(Value& table, Value more) {
  for (Value::Entry& entry : more.as_table()) table.set(entry.key, std::move(entry.value));
}

Value open(Value schema) {
  schema.set("additionalProperties", Value(true));
  return schema;
}

Value strings(const std::vector<std::string>& words) {
  Value out = Value::list();
  for (const std::string& word : words) out.push(Value(word));
  return out;
}

std::string nested_definition(const std::string& kind) {
  return keys_beside(kind).empty() ? kind : "nested." + kind;
}

Value reference_to(const std::string& definition) {
  return object("$ref", Value(cat("#/definitions/", definition)));
}

Value param_schema(const ParamInfo& param, const std::string& owner) {
  Value out = object("description", Value(hint(param, owner)));
  if (param.list) {
    out.set("type", Value("array"));
    Value item = Value::table();
    set_item(item, param, owner);
    out.set("items", std::move(item));
    // Streams may be read twice; a node is named once.
    const bool once = param.type == ParamType::reference && param.component_kind != "source";
    if (once) out.set("uniqueItems", Value(true));
  } else {
    set_item(out, param, owner);
  }
  if (param.default_value && !param.required) out.set("default", *param.default_value);
  return out;
}

void add_params(const std::vector<ParamInfo>& params, const std::string& owner, Value& properties,
                Value& dependencies) {
  for (const ParamInfo& param : params) {
    properties.set(param.name, param_schema(param, owner));
    if (param.alias.empty()) continue;
    properties.set(param.alias, former(param, owner));
    dependencies.set(param.alias, object("not", open(object("required", strings({param.name})))));
  }
}

Value table_schema(const std::vector<ParamInfo>& params, const std::string& owner) {
  Value out = object("type", Value("object"));
  Value properties = Value::table(), dependencies = Value::table();
  add_params(params, owner, properties, dependencies);
  out.set("properties", std::move(properties));
  if (!dependencies.as_table().empty()) out.set("dependencies", std::move(dependencies));
  out.set("additionalProperties", Value(false));
  return out;
}

std::optional<Value> needs_of(const std::vector<ParamInfo>& params) {
  std::vector<std::string> names;
  Value properties = Value::table(), either = Value::list();
  for (const ParamInfo& param : params) {
    if (param.required && param.alias.empty()) names.push_back(param.name);
    if (param.required && !param.alias.empty()) {
      Value any = Value::list();
      any.push(open(object("required", strings({param.name}))));
      any.push(open(object("required", strings({param.alias}))));
      either.push(object("anyOf", std::move(any)));
    }
    std::optional<Value> inner = needs_of(param.fields);
    if (param.type == ParamType::component)
      inner = reference_to("needs." + nested_definition(param.component_kind));
    if (!inner) continue;
    properties.set(param.name, param.list ? object("items", std::move(*inner)) : std::move(*inner));
  }
  Value out = Value::table();
  if (!names.empty()) out.set("required", strings(names));
  if (!either.as_list().empty()) out.set("allOf", std::move(either));
  if (!properties.as_table().empty()) out.set("properties", std::move(properties));
  if (out.as_table().empty()) return std::nullopt;
  return open(std::move(out));
}

void add_nested_kinds(const std::vector<ParamInfo>& params, std::vector<std::string>& kinds) {
  for (const ParamInfo& param : params) {
    const bool known = std::find(kinds.begin(), kinds.end(), param.component_kind) != kinds.end();
    if (param.type == ParamType::component && !known) kinds.push_back(param.component_kind);
    add_nested_kinds(param.fields, kinds);
  }
}

}  // namespace saffron::host
