#include "framework/recipe/component_decode.h"

#include "framework/recipe/kinds.h"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace saffron::host {
namespace {

constexpr int kDeepestNesting = 16;  // a component whose default is itself would nest for ever

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string tail_of(const std::string& path, const std::string& place) {
  return path.size() > place.size() + 1 ? path.substr(place.size() + 1) : std::string();
}

// The one problem that several values for one parameter make is a grid that is meant.
bool got_list(const Problem& problem) {
  return problem.message.starts_with("expected ") && problem.message.ends_with(", got list");
}

}  // namespace

Value* value_at(Value& table, std::string_view path) {
  Value* at = &table;
  while (at != nullptr && !path.empty()) {
    if (path[0] == '[') {
      std::size_t index = 0;
      const std::size_t end = std::min(path.find(']'), path.size());
      std::from_chars(path.data() + 1, path.data() + end, index);
      path.remove_prefix(std::min(end + 1, path.size()));
      const bool there = at->is_list() && index < at->as_list().size();
      at = there ? &at->as_list()[index] : nullptr;
    } else {
      const std::size_t end = std::min(path.find_first_of(".["), path.size());
      at = at->is_table() ? at->find(path.substr(0, end)) : nullptr;
      path.remove_prefix(end);
    }
    if (path.starts_with('.')) path.remove_prefix(1);
  }
  return at;
}

Value without_unhashed(const Value& resolved, const std::vector<ParamInfo>& params) {
  if (resolved.is_list()) {
    Value out = Value::list();
    for (const Value& item : resolved.as_list()) out.push(without_unhashed(item, params));
    return out;
  }
  if (!resolved.is_table()) return resolved;
  Value out = Value::table();
  for (const ParamInfo& info : params) {
    const Value* value = resolved.find(info.name);
    if (value == nullptr || info.unhashed || info.type == ParamType::secret) continue;
    out.set(info.name,
            info.type == ParamType::table ? without_unhashed(*value, info.fields) : *value);
  }
  return out;
}

Value ComponentDecoder::subset(const Value& table, const std::vector<std::string>& keys) {
  Value out = Value::table().with_origin(table.origin());
  for (const Value::Entry& entry : table.as_table()) {
    if (contains(keys, entry.key)) out.set(entry.key, entry.value, entry.key_origin);
  }
  return out;
}

void ComponentDecoder::only(const Value& table, const std::vector<std::string>& known,
                            const std::string& path) {
  for (const Value::Entry& entry : table.as_table()) {
    if (contains(known, entry.key)) continue;
    problems_.error(entry.key_origin, path.empty() ? entry.key : cat(path, '.', entry.key),
                    "unknown key", index_.help(entry.key, path, known));
  }
}

void ComponentDecoder::report(std::vector<Problem>& problems, const std::string& path,
                              const std::vector<std::string>& known) {
  for (Problem& problem : problems) {
    if (problem.message == "unknown key") {
      const std::string key = tail_of(problem.path, path);
      const bool direct = key.find_first_of(".[") == key.npos;
      if (direct) {
        problem.help = index_.help(key, path, known);
      } else if (!problem.help.starts_with("did you mean")) {
        const std::size_t dot = problem.path.rfind('.');
        const std::string better =
            index_.help(problem.path.substr(dot + 1), problem.path.substr(0, dot), {});
        if (!better.empty()) problem.help = better;
      }
    } else if (got_list(problem) && path.starts_with("sae.")) {
      problem.help = cat("several values make a grid: vary = { \"", problem.path.substr(4),
                         "\" = [...] } in the train node");
    }
    problems_.add(std::move(problem));
  }
}

void ComponentDecoder::unknown_component(std::string_view kind, const Value& use,
                                         const std::string& path) {
  const std::string& word = use.as_string();
  const std::size_t colons = word.find("::");
  const std::vector<std::string> names = catalog_.names(kind);
  std::string message = cat("there is no ", kind, " component '", word, "'");
  std::string help;
  if (colons != word.npos) {
    const std::string plugin = word.substr(0, colons);
    const std::vector<std::string> ids = catalog_.plugin_ids();
    if (!contains(ids, plugin)) {
      message = cat("there is no plugin '", plugin, '\'');
      help = did_you_mean(plugin, ids);
      if (help.empty()) help = "`plugins = [\"path/to/lib.so\"]` at the top adds one";
    } else {
      help = did_you_mean(word.substr(colons + 2), names);
    }
  } else {
    for (const std::string& other : kind_names()) {
      if (kind == other || catalog_.resolve(other, word).empty()) continue;
      message = cat('\'', word, "' is ", with_article(other), ", not ", with_article(kind));
    }
    help = did_you_mean(word, names);
  }
  if (help.empty()) {
    help = names.empty()
               ? cat("no plugin offers ", with_article(kind), "; `saffron plugins` lists them")
               : cat("there are ", listed(names));
  }
  problems_.error(use.origin(), path + ".use", std::move(message), std::move(help));
}

// The full name of the component that `use` means, or "" after reporting why there is none.
std::string ComponentDecoder::find(std::string_view kind, const Value::Entry& use,
                                   const std::string& path) {
  if (!use.value.is_string()) {
    problems_.error(use.value.origin(), path + ".use",
                    cat("expected string, got ", use.value.type_name()));
    return {};
  }
  const std::vector<std::string> ids = catalog_.resolve(kind, use.value.as_string());
  if (ids.size() == 1) return ids[0];
  if (ids.empty()) {
    unknown_component(kind, use.value, path);
  } else {
    problems_.error(use.value.origin(), path + ".use",
                    cat(ids.size(), " plugins offer ", with_article(kind), " component '",
                        use.value.as_string(), '\''),
                    cat("write the full name: ", listed(ids)));
  }
  return {};
}

ComponentUse ComponentDecoder::component(std::string_view kind, const Value& table,
                                         const std::vector<std::string>& own,
                                         const std::string& path) {
  ComponentUse out;
  out.kind = kind;
  out.origin = table.origin();
  out.config.with_origin(table.origin());
  for (const Value::Entry& entry : table.as_table()) {
    if (entry.key == "use" || contains(own, entry.key)) continue;
    out.config.set(entry.key, entry.value, entry.key_origin);
  }
  const Value::Entry* use = table.find_entry("use");
  if (use == nullptr) {
    const std::vector<std::string> names = catalog_.names(kind);
    problems_.error(table.origin(), path + ".use", "missing key",
                    cat("`use` says which ", kind,
                        " this is: ", names.empty() ? "no plugin offers one" : listed(names)));
    return out;
  }
  out.id = find(kind, *use, path);
  if (use->value.is_string()) out.use = use->value.as_string();
  if (out.id.empty()) return out;
  try {
    decode_parameters(out, own, path);
  } catch (const Error& error) {
    problems_.error(use->value.origin(), path + ".use", error.message(), error.help());
  } catch (const std::exception& error) {
    problems_.error(use->value.origin(), path + ".use", error.what());
  }
  return out;
}

void ComponentDecoder::decode_parameters(ComponentUse& out, const std::vector<std::string>& own,
                                         const std::string& path) {
  const std::vector<ParamInfo> params = catalog_.params(out.kind, out.id);
  std::vector<std::string> known = own;
  for (const ParamInfo& info : params) {
    if (!info.hidden) known.push_back(info.name);
  }
  Decoded decoded;
  decoded.path = path;
  catalog_.decode(out.kind, out.id, out.config, decoded);
  report(decoded.problems, path, known);
  out.resolved = std::move(decoded.resolved);
  out.references = std::move(decoded.references);
  out.hashed_files = std::move(decoded.hashed_files);
  out.identity = without_unhashed(out.resolved, params);
  for (const Decoded::Nested& nested : decoded.nested) decode_nested(out, nested, path);
}

void ComponentDecoder::decode_nested(ComponentUse& out, const Decoded::Nested& nested,
                                     const std::string& path) {
  const std::string place = cat(path, '.', nested.path);
  if (nested.config.is_string()) {
    out.references.push_back(
        {nested.kind, nested.config.as_string(), place, nested.config.origin(), false});
    return;
  }
  if (depth_ >= kDeepestNesting) {
    problems_.error(nested.config.origin(), place,
                    cat("more than ", kDeepestNesting, " components are nested in one another"));
    return;
  }
  ++depth_;
  ComponentUse inner = component(nested.kind, nested.config, {}, place);
  --depth_;
  if (inner.id.empty()) return;
  std::move(inner.references.begin(), inner.references.end(), std::back_inserter(out.references));
  std::move(inner.hashed_files.begin(), inner.hashed_files.end(),
            std::back_inserter(out.hashed_files));
  out.nested.push_back({inner.kind, inner.id});
  std::move(inner.nested.begin(), inner.nested.end(), std::back_inserter(out.nested));
  const auto put = [&](Value& tree, Value& content, const Value& use) {
    Value* at = value_at(tree, nested.path);
    if (at == nullptr) return;
    Value table = Value::table().with_origin(nested.config.origin());
    table.set("use", use);
    for (Value::Entry& entry : content.as_table()) {
      table.set(entry.key, std::move(entry.value), std::move(entry.key_origin));
    }
    *at = std::move(table);
  };
  put(out.resolved, inner.resolved, *nested.config.find("use"));
  put(out.identity, inner.identity, Value(inner.id));
}

}  // namespace saffron::host
