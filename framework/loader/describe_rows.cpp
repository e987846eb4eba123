#include "framework/loader/describe_rows.h"

#include "framework/loader/describe.h"

#include <saffron/range.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

namespace saffron::host {
namespace {

std::string default_text(const Value& param) {
  if (flag_at(param, "required")) return "required";
  const Value* value = param.find("default");
  return value == nullptr ? "-" : to_toml(*value);
}

std::string range_text(const Value& param) {
  std::string out = text_at(param, "range");
  for (const Value& word : list_at(param, "choices")) {
    out += cat(out.empty() ? "" : " | ", word.as_string());
  }
  const std::string unit = text_at(param, "unit");
  if (!unit.empty()) out += cat(out.empty() ? "" : " ", '[', unit, ']');
  return out;
}

std::string meaning_text(const Value& param) {
  std::string out = text_at(param, "doc");
  const std::string since = text_at(param, "since"), former = text_at(param, "formerly");
  if (!since.empty()) out += cat(" (since ", since, ')');
  if (!former.empty()) out += cat(" (formerly '", former, "')");
  return out;
}

void add_rows(const Value::List& params, const std::string& outer, std::vector<ParamRow>& rows) {
  for (const Value& param : params) {
    if (flag_at(param, "hidden")) continue;
    ParamRow row = param_row(param);
    row.name = outer + row.name;
    const auto& fields = list_at(param, "fields");
    const bool list = param_of(param).list;
    if (!fields.empty() && !list) row.standard.clear();
    const std::string inner = cat(row.name, list ? "[]." : ".");
    rows.push_back(std::move(row));
    add_rows(fields, inner, rows);
  }
}

std::string capitals(std::string word) {
  for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return word;
}

// A number that the range allows.
std::string number_text(const ParamInfo& param) {
  const Bounds bounds = bounds_of(param.range);
  double number = 1;
  if (!bounds.contain(number)) {
    number = std::isinf(bounds.low) ? bounds.high : bounds.low;
    if (!bounds.contain(number)) number = bounds.low / 2 + bounds.high / 2;
  }
  const bool whole = param.type == ParamType::integer;
  return to_toml(whole ? Value(static_cast<std::int64_t>(number)) : Value(number));
}

std::string assignments(const std::vector<std::pair<std::string, std::string>>& keys) {
  std::string out;
  for (const auto& [key, value] : keys) out += cat(out.empty() ? "" : ", ", key, " = ", value);
  return out;
}

std::string example_value(const ParamInfo& param);

std::vector<std::pair<std::string, std::string>> required_keys(
    const std::vector<ParamInfo>& params) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const ParamInfo& param : params) {
    if (param.required) out.emplace_back(param.name, example_value(param));
  }
  return out;
}

std::string example_item(const ParamInfo& param) {
  const auto quoted = [](std::string_view word) { return to_toml(Value(word)); };
  switch (param.type) {
    case ParamType::boolean: return "true";
    case ParamType::integer:
    case ParamType::real: return number_text(param);
    case ParamType::string: return quoted(param.choices.empty() ? "..." : param.choices[0]);
    case ParamType::path: return quoted("PATH");
    case ParamType::secret: return quoted("VARIABLE");
    case ParamType::table: return cat("{ ", assignments(required_keys(param.fields)), " }");
    case ParamType::reference: return quoted(capitals(param.component_kind));
    case ParamType::component: break;
  }
  const std::vector<std::string> providers = providers_of(param.component_kind);
  return providers.empty() ? "{ use = \"NAME\" }" : quoted(capitals(providers[0]));
}

std::string example_value(const ParamInfo& param) {
  const std::string item = example_item(param);
  return param.list ? cat('[', item, ']') : item;
}

}  // namespace

std::string text_at(const Value& table, std::string_view key) {
  const Value* value = table.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

bool flag_at(const Value& table, std::string_view key) {
  const Value* value = table.find(key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

const Value::List& list_at(const Value& table, std::string_view key) {
  static const Value::List empty;
  const Value* value = table.find(key);
  return value != nullptr && value->is_list() ? value->as_list() : empty;
}

ParamRow param_row(const Value& param) {
  return {text_at(param, "name"), text_at(param, "type"), default_text(param), range_text(param),
          meaning_text(param)};
}

std::vector<ParamRow> param_rows(const Value::List& params) {
  std::vector<ParamRow> rows;
  add_rows(params, "", rows);
  return rows;
}

std::string flags_text(const Value& component) {
  std::string out =
      flag_at(component, "deterministic") ? "[deterministic]" : "[not deterministic: never cached]";
  if (flag_at(component, "needs_cuda")) out += " [cuda: needed]";
  if (flag_at(component, "graph_safe")) out += " [graph safe]";
  return out;
}

std::vector<std::string> snippet(const Value& description) {
  std::vector<std::pair<std::string, std::string>> keys;
  const std::string use = text_at(description, "use");
  if (!use.empty()) keys.emplace_back("use", to_toml(Value(use)));
  for (const char* list : {"params", "keys"}) {
    std::vector<ParamInfo> params;
    for (const Value& param : list_at(description, list)) params.push_back(param_of(param));
    for (auto& key : required_keys(params)) keys.push_back(std::move(key));
  }
  const std::string table = text_at(description, "table");
  const bool nested = table.empty() && !use.empty();
  if (nested) return {cat("{ ", assignments(keys), " }")};
  std::vector<std::string> lines;
  if (!table.empty()) lines.push_back(table);
  std::size_t width = 0;
  for (const auto& [key, value] : keys) width = std::max(width, key.size());
  for (const auto& [key, value] : keys) {
    lines.push_back(cat(key, std::string(width - key.size(), ' '), " = ", value));
  }
  return lines;
}

std::string counted(std::size_t count, std::string_view noun) {
  return cat(count, ' ', noun, count == 1 ? "" : "s");
}

}  // namespace saffron::host
