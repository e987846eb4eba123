#include "src/schema_words.h"

#include <cctype>
#include <cmath>
#include <cstdlib>

namespace saffron::inline sdk_v1 {
namespace {

constexpr std::size_t kLongestShown = 60;

bool reads_as(ParamType type, const std::string& text) {
  if (type == ParamType::boolean) return text == "true" || text == "false";
  char* end = nullptr;
  if (type == ParamType::integer) {
    [[maybe_unused]] const long long number = std::strtoll(text.c_str(), &end, 10);
  } else if (type == ParamType::real) {
    [[maybe_unused]] const double number = std::strtod(text.c_str(), &end);
  } else {
    return false;
  }
  return !text.empty() && std::isspace(static_cast<unsigned char>(text[0])) == 0 && *end == '\0';
}

}  // namespace

std::string article(std::string_view noun) {
  const bool vowel =
      noun == "sae" || (!noun.empty() && std::string_view("aeiou").find(noun[0]) != noun.npos);
  return cat(vowel ? "an " : "a ", noun);
}

std::string item_word(const ParamInfo& info) {
  switch (info.type) {
    case ParamType::boolean: return "bool";
    case ParamType::integer: return "int";
    case ParamType::real: return "float";
    case ParamType::string: return "string";
    case ParamType::path: return "path";
    case ParamType::secret: return "environment variable name";
    case ParamType::table: return "table";
    case ParamType::reference: return info.component_kind + " name";
    case ParamType::component: return info.component_kind + " component";
  }
  return "value";
}

std::string list_word(const ParamInfo& info) { return cat("list of ", item_word(info), 's'); }

std::string shown(const ParamInfo& info, const Value& value) {
  const bool scalar = !value.is_null() && !value.is_list() && !value.is_table();
  if (!scalar || info.type == ParamType::secret) return value.type_name();
  const std::string text = to_toml(value);
  return text.size() > kLongestShown ? value.type_name() : cat(value.type_name(), ' ', text);
}

bool type_matches(const ParamInfo& info, const Value& value) {
  switch (info.type) {
    case ParamType::boolean: return value.is_bool();
    case ParamType::integer: return value.is_int();
    case ParamType::real: return value.is_number();
    case ParamType::table: return value.is_table();
    case ParamType::component: return value.is_table() || value.is_string();
    default: return value.is_string();
  }
}

std::string type_help(const ParamInfo& info, const Value& value) {
  const bool wants_text = info.type == ParamType::string || info.type == ParamType::path ||
                          info.type == ParamType::reference;
  if (info.type == ParamType::component && !value.is_list()) return "write { use = \"...\" }";
  if (value.is_list()) {
    const Value::List& items = value.as_list();
    if (items.size() == 1 && type_matches(info, items[0])) {
      return cat("write ", to_toml(items[0]), " without brackets");
    }
    return "one value is wanted, not a list";
  }
  if (value.is_string() && reads_as(info.type, value.as_string())) {
    return cat("write ", value.as_string(), " without quotes");
  }
  if (info.type == ParamType::integer && value.type() == Value::Type::real) {
    const double number = value.as_real();
    if (number == std::floor(number) && std::abs(number) < 1e15) {
      return cat("write ", static_cast<std::int64_t>(number));
    }
  }
  if (wants_text && (value.is_bool() || value.is_number())) {
    return cat("write \"", to_toml(value), "\" in quotes");
  }
  return {};
}

std::string unknown_help(const std::vector<ParamInfo>& fields, const std::string& key) {
  std::vector<std::string> names;
  for (const ParamInfo& field : fields) {
    if (!field.hidden) names.push_back(field.name);
  }
  const std::string near = nearest(key, names.data(), names.size());
  if (!near.empty()) return cat("did you mean '", near, "'?");
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all.empty() ? "" : "known keys: " + all;
}

std::string missing_help(const ParamInfo& info) {
  return cat('\'', info.name, "' (", info.list ? list_word(info) : item_word(info),
             "): ", info.doc);
}

}  // namespace saffron::inline sdk_v1
