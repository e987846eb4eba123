#include "framework/loader/inspect.h"

#include "framework/loader/describe.h"
#include "framework/loader/load.h"
#include "framework/loader/lone_services.h"

#include <algorithm>
#include <optional>

namespace saffron::host {
namespace {

constexpr std::size_t kOutputShown = 400;

Value one(const char* key, Value value) {
  Value out = Value::table();
  out.set(key, std::move(value));
  return out;
}

// The child answers in lines of JSON, so that what it said before it crashed is kept.
void answer(const Value& line) {
  if (!send_result(to_json(line) + '\n')) {
    throw Error(ErrorKind::io, cat("'", kInspectCommand, "' is for this program's own use"));
  }
}

Value outcome(const char* word, const std::string& message) {
  Value out = Value::table();
  out.set("outcome", Value(word));
  out.set("message", Value(message));
  return out;
}

// Why a component cannot be created by itself; nullopt when it can.
std::optional<std::string> obstacle(const Decoded& decoded) {
  for (const Problem& problem : decoded.problems) {
    if (!problem.warning) return cat(problem.path, ": ", problem.message);
  }
  if (!decoded.references.empty()) return "it refers to other nodes";
  if (!decoded.nested.empty()) return cat("it needs a ", decoded.nested[0].kind);
  return std::nullopt;
}

Value construct(const Component& component, const Value& config) {
  try {
    Decoded decoded;
    component.decode(config, decoded);
    if (const auto reason = obstacle(decoded)) {
      return outcome("skipped", cat("not tried: ", *reason));
    }
    LoneServices services;
    component.create(config, services, component.place()).reset();
  } catch (const Error& error) {
    return outcome("failed", error.what());
  }
  return outcome("passed", "works with its defaults");
}

Value error_value(const Error& error) {
  Value out = Value::table();
  out.set("kind", Value(static_cast<std::int64_t>(error.kind())));
  out.set("message", Value(error.message()));
  out.set("where", Value(error.where()));
  out.set("help", Value(error.help()));
  return out;
}

Error error_of(const Value& value) {
  Error error(static_cast<ErrorKind>(value.at("kind").as_int()), value.at("message").as_string());
  error.within(value.at("where").as_string());
  const std::string& help = value.at("help").as_string();
  return help.empty() ? error : error.with_help(help);
}

// What the plugin printed says most when it died.
std::string last_words(const ChildResult& child) {
  if (child.output.empty()) return {};
  const std::size_t start =
      child.output.size() > kOutputShown ? child.output.size() - kOutputShown : 0;
  std::string text = child.output.substr(start);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return cat("it printed: ", text);
}

struct Answers {
  std::optional<Value> description, construct;
};

Answers ask_child(const PluginFile& file, const std::vector<std::string>& more,
                  const ChildOptions& options) {
  std::vector<std::string> arguments{kInspectCommand, file.path.string()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const ChildResult child = run_in_child(arguments, options);
  Answers out;
  std::string_view lines = child.result;
  for (std::size_t end = 0; (end = lines.find('\n')) != std::string_view::npos;
       lines.remove_prefix(end + 1)) {
    const Value line = from_json(lines.substr(0, end), "child");
    if (const Value* error = line.find("error")) throw error_of(*error);
    if (const Value* description = line.find("description")) out.description = *description;
    if (const Value* made = line.find("construct")) out.construct = *made;
  }
  if (!out.description) {
    Error error(ErrorKind::plugin,
                cat("plugin '", file.id, "' ", child.what(), " while it was loaded"));
    if (const std::string words = last_words(child); !words.empty()) error.with_help(words);
    throw error.within(file.path.string());
  }
  if (!out.construct && child.outcome != ChildResult::Outcome::passed) {
    const bool late = child.outcome == ChildResult::Outcome::timed_out;
    const std::string words = last_words(child);
    out.construct =
        outcome(late ? "timed_out" : "crashed",
                cat(child.what(), " when it was created", words.empty() ? "" : cat("; ", words)));
  }
  return out;
}

void answer_for(const std::vector<std::string>& arguments) {
  const PluginFile file = read_plugin_file(arguments[0]);
  if (arguments.size() < 3) {
    answer(one("description", describe(load_plugin(file))));
    return;
  }
  Scan scan;
  scan.plugins.push_back(file);
  const Catalog catalog(std::move(scan));
  const Component component = catalog.load(arguments[1], arguments[2]);
  answer(one("description", describe(component)));
  const Value config =
      arguments.size() > 3 ? from_json(arguments[3], "configuration") : Value::table();
  answer(one("construct", construct(component, config)));
}

}  // namespace

int inspect_child(const std::vector<std::string>& arguments) {
  constexpr int kUsage = 2;
  if (arguments.empty()) return kUsage;
  try {
    answer_for(arguments);
  } catch (const Error& error) {
    if (!send_result(to_json(one("error", error_value(error))) + '\n')) return kUsage;
  }
  return 0;
}

Value inspect_component(const Catalog::Entry& entry, const ChildOptions& options,
                        const Value& config) {
  Answers answers = ask_child(
      *entry.file, {entry.component->kind, entry.component->name, to_json(config)}, options);
  Value out = std::move(*answers.description);
  if (answers.construct) out.set("construct", std::move(*answers.construct));
  return out;
}

Value inspect_plugin(const PluginFile& file, const ChildOptions& options) {
  return *ask_child(file, {}, options).description;
}

Value describe_loaded(const Catalog& catalog, const ChildOptions& options) {
  Value listing = describe(catalog);
  Value::List& rows = listing.find("plugins")->as_list();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].find("problem") != nullptr) continue;
    try {
      rows[i] = inspect_plugin(*catalog.plugins()[i], options);
    } catch (const Error& error) {
      rows[i].set("problem", Value(error.message()));
    }
  }
  return listing;
}

}  // namespace saffron::host
