#include <saffron/schema.h>

#include "src/schema_words.h"

#include <cctype>
#include <cmath>
#include <cstdlib>
#include <iterator>

// The checking side of a schema: a table of a recipe against the declared parameters.

namespace saffron::inline sdk_v1 {
namespace {

std::string join(const std::string& path, const std::string& key) {
  return path.empty() ? key : cat(path, '.', key);
}

// A parameter's path as seen from the component: "sae.student.aux.k" in "sae.student" is "aux.k".
std::string relative(const std::string& path, const Decoded& out) {
  return out.path.empty() ? path : path.substr(out.path.size() + 1);
}

void report(Decoded& out, const Origin& origin, std::string path, std::string message,
            std::string help = {}) {
  out.problems.push_back({origin, std::move(path), std::move(message), std::move(help), false});
}

bool check_range(const Rule& rule, const ParamInfo& info, const Value& value,
                 const std::string& path, Decoded& out) {
  if (!value.is_number()) return true;
  const double number = value.as_real();
  if (!std::isfinite(number)) {
    report(out, value.origin(), path, cat("value ", to_toml(value), " is not a finite number"));
    return false;
  }
  const bool low = rule.low_open ? number > rule.low : number >= rule.low;
  const bool high = rule.high_open ? number < rule.high : number <= rule.high;
  if (low && high) return true;
  report(out, value.origin(), path,
         cat("value ", to_toml(value), " is outside ", info.range,
             info.unit.empty() ? "" : cat(" (", info.unit, ')')));
  return false;
}

bool check_choice(const Rule& rule, const Value& value, const std::string& path, Decoded& out) {
  if (rule.choices.empty() || !value.is_string()) return true;
  const std::vector<std::string>& words = rule.choices;
  if (std::find(words.begin(), words.end(), value.as_string()) != words.end()) return true;
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  const std::string near = nearest(value.as_string(), words.data(), words.size());
  report(out, value.origin(), path, cat("value ", to_toml(value), " is outside {", all, '}'),
         near.empty() ? "" : cat("did you mean '", near, "'?"));
  return false;
}

// Where a secret is written: without a column, so that no message quotes the line.
Origin unquoted(Origin origin) {
  origin.column = 0;
  return origin;
}

// The name of a variable in capitals; what has small letters may be the secret itself.
bool check_variable(const Value& value, const std::string& path, Decoded& out) {
  const std::string& name = value.as_string();
  const bool plausible = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
                         std::all_of(name.begin(), name.end(), [](unsigned char c) {
                           return std::isupper(c) != 0 || std::isdigit(c) != 0 || c == '_';
                         });
  if (!plausible) {
    report(out, unquoted(value.origin()), path,
           "this is not the name of an environment variable (capitals, digits and '_')",
           "a recipe holds the variable's name, never the secret itself");
    return false;
  }
  if (std::getenv(name.c_str()) == nullptr) {
    out.problems.push_back({unquoted(value.origin()), path,
                            "the environment variable that is named here is not set",
                            "export it before the run", true});
  }
  return true;
}

// A nested component: a table with a `use` that is a string, or a node's name.
bool check_component(const ParamInfo& info, const Value& value, const std::string& path,
                     Decoded& out) {
  if (value.is_string() && value.as_string().empty()) {
    report(out, value.origin(), path, "the name is empty");
    return false;
  }
  if (value.is_table()) {
    const Value* use = value.find("use");
    if (use == nullptr) {
      report(out, value.origin(), path, "missing key 'use'",
             cat("`use` says which ", info.component_kind, ": { use = \"...\" }"));
      return false;
    }
    if (!use->is_string()) {
      report(out, use->origin(), path + ".use", cat("expected string, got ", shown(info, *use)));
      return false;
    }
  }
  out.nested.push_back({info.component_kind, relative(path, out), value});
  return true;
}

// `given` with what it lacks taken from the defaults of the struct that it stands in.
Value overlay(const std::vector<ParamInfo>& fields, Value given, const Value& defaults) {
  for (const ParamInfo& field : fields) {
    const Value* fallback = defaults.find(field.name);
    if (fallback == nullptr || field.required) continue;
    Value* present = given.find(field.name);
    if (present == nullptr && !field.alias.empty()) present = given.find(field.alias);
    if (present == nullptr) {
      given.set(field.name, *fallback);
    } else if (field.type == ParamType::table && !field.list && present->is_table() &&
               fallback->is_table()) {
      *present = overlay(field.fields, std::move(*present), *fallback);
    }
  }
  return given;
}

// A copy whose every part says that it is a default.
Value as_default(Value value) {
  if (value.is_list()) {
    for (Value& item : value.as_list()) item = as_default(std::move(item));
  } else if (value.is_table()) {
    for (Value::Entry& entry : value.as_table()) entry.value = as_default(std::move(entry.value));
  }
  return std::move(value.with_origin({"default"}));
}

// A table of a struct's own: `value` becomes its resolved form.
bool check_table(const ParamInfo& info, const SchemaBase& schema, Value& value,
                 const std::string& path, Decoded& out) {
  const Origin origin = value.origin();
  if (info.default_value && info.default_value->is_table()) {
    value = overlay(info.fields, std::move(value), as_default(*info.default_value));
  }
  Decoded inner;
  inner.path = path;
  schema.decode(value, nullptr, inner);
  const std::string prefix = relative(path, out);
  for (Decoded::Nested& nested : inner.nested) nested.path = join(prefix, nested.path);
  const auto append = [](auto& from, auto& to) {
    std::move(from.begin(), from.end(), std::back_inserter(to));
  };
  const bool ok = inner.ok();
  append(inner.problems, out.problems);
  append(inner.references, out.references);
  append(inner.nested, out.nested);
  append(inner.hashed_files, out.hashed_files);
  value = std::move(inner.resolved.with_origin(origin));
  return ok;
}

bool check_reference(const ParamInfo& info, const Value& value, const std::string& path,
                     Decoded& out) {
  if (value.as_string().empty()) {
    report(out, value.origin(), path, "the name is empty",
           cat("name ", article(info.component_kind), " of this recipe"));
    return false;
  }
  out.references.push_back(
      {info.component_kind, value.as_string(), path, value.origin(), info.list});
  return true;
}

}  // namespace

// Checks one item and leaves its resolved form in out.resolved under the parameter's name.
bool SchemaBase::check_item(const Field& field, const Value& value, const std::string& path,
                            Decoded& out) const {
  const ParamInfo& info = field.info;
  if (!type_matches(info, value)) {
    const bool secret = info.type == ParamType::secret;
    report(out, secret ? unquoted(value.origin()) : value.origin(), path,
           cat("expected ", item_word(info), ", got ", shown(info, value)),
           secret ? "" : type_help(info, value));
    return false;
  }
  Value resolved = value;
  bool ok = true;
  switch (info.type) {
    case ParamType::table: ok = check_table(info, *field.nested, resolved, path, out); break;
    case ParamType::reference: ok = check_reference(info, value, path, out); break;
    case ParamType::component: ok = check_component(info, value, path, out); break;
    case ParamType::secret: ok = check_variable(value, path, out); break;
    case ParamType::real: resolved = Value(value.as_real()).with_origin(value.origin()); break;
    default: break;
  }
  if (!ok) return false;
  if (!check_range(field.rule, info, value, path, out)) return false;
  if (!check_choice(field.rule, value, path, out)) return false;
  if (field.rule.not_empty && !info.list && value.is_string() && value.as_string().empty()) {
    report(out, value.origin(), path, "the string is empty");
    return false;
  }
  if (info.hashed && value.is_string() && !value.as_string().empty()) {
    out.hashed_files.push_back(value.as_string());
  }
  out.resolved.set(info.name, std::move(resolved));
  return true;
}

bool SchemaBase::check_value(const Field& field, const Value& value, const std::string& path,
                             Decoded& out) const {
  const ParamInfo& info = field.info;
  if (!info.list) return check_item(field, value, path, out);
  if (!value.is_list()) {
    const bool secret = info.type == ParamType::secret;
    const bool item = type_matches(info, value) && !secret;
    report(out, secret ? unquoted(value.origin()) : value.origin(), path,
           cat("expected ", list_word(info), ", got ", shown(info, value)),
           item ? cat("write [", to_toml(value), "]") : "");
    return false;
  }
  if (field.rule.not_empty && value.as_list().empty()) {
    report(out, value.origin(), path, "the list is empty");
    return false;
  }
  Value resolved = Value::list().with_origin(value.origin());
  bool ok = true;
  std::size_t index = 0;
  for (const Value& item : value.as_list()) {
    if (check_item(field, item, cat(path, '[', index++, ']'), out)) {
      resolved.push(std::move(*out.resolved.find(info.name)));
    } else {
      ok = false;
    }
  }
  if (ok) {
    out.resolved.set(info.name, std::move(resolved));
  } else {
    out.resolved.erase(info.name);
  }
  return ok;
}

namespace {

// The value given for a parameter under its present or its former name.
const Value::Entry* given(const ParamInfo& info, const Value& config, Decoded& out) {
  const Value::Entry* entry = config.find_entry(info.name);
  const Value::Entry* former = info.alias.empty() ? nullptr : config.find_entry(info.alias);
  if (former == nullptr) return entry;
  if (entry != nullptr) {
    report(out, former->key_origin, join(out.path, info.alias),
           cat("'", info.alias, "' is the former name of '", info.name, "', which is given too"),
           cat("keep '", info.name, "' alone"));
    return entry;
  }
  out.problems.push_back({former->key_origin, join(out.path, info.alias),
                          cat("'", info.alias, "' is now called '", info.name, "'"),
                          cat("write ", info.name, " = ..."), true});
  return former;
}

}  // namespace

void SchemaBase::decode(const Value& config, void* options, Decoded& out) const {
  if (!config.is_table()) {
    report(out, config.origin(), out.path, cat("expected table, got ", config.type_name()));
    return;
  }
  const auto errors = [&out] {
    return std::count_if(out.problems.begin(), out.problems.end(),
                         [](const Problem& problem) { return !problem.warning; });
  };
  const auto before = errors();
  for (const Value::Entry& entry : config.as_table()) {
    const bool known = std::any_of(fields_.begin(), fields_.end(), [&](const Field& field) {
      return entry.key == field.info.name ||
             (!field.info.alias.empty() && entry.key == field.info.alias);
    });
    if (!known) {
      report(out, entry.key_origin, join(out.path, entry.key), "unknown key",
             unknown_help(params(), entry.key));
    }
  }

  std::vector<std::pair<const Field*, const Value*>> assignments;
  for (const Field& field : fields_) {
    const ParamInfo& info = field.info;
    const std::string path = join(out.path, info.name);
    if (const Value::Entry* entry = given(info, config, out)) {
      check_value(field, entry->value, path, out);
      assignments.emplace_back(&field, &entry->value);
    } else if (info.required) {
      report(out, config.origin(), path, "missing key", missing_help(info));
    } else if (info.type == ParamType::table && !info.list && info.default_value) {
      check_value(field, Value::table().with_origin(config.origin()), path, out);
    } else if (info.default_value) {
      check_value(field, as_default(*info.default_value), path, out);
    }
  }
  if (errors() != before) return;

  std::shared_ptr<void> scratch;
  if (options == nullptr && check_) {
    scratch = make_();
    options = scratch.get();
  }
  if (options == nullptr) return;
  for (const auto& [field, value] : assignments) field->assign(*value, options);
  if (!check_) return;
  std::string message;
  try {
    message = check_(options);
  } catch (const std::exception& error) {
    message = error.what();
  }
  if (!message.empty()) report(out, config.origin(), out.path, message);
}

}  // namespace saffron::inline sdk_v1
