#include "framework/loader/inspect.h"

#include "framework/loader/describe.h"
#include "framework/loader/load.h"
#include "framework/loader/lone_services.h"
#include "framework/loader/process.h"

#include <algorithm>
#include <optional>
#include <variant>

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

// What a child said, in its order, as far as it came.
struct Answers {
  std::vector<Value> lines;
  ChildResult child;
};

Answers ask_child(std::vector<std::string> arguments, ChildOptions options) {
  arguments.insert(arguments.begin(), kInspectCommand);
  Answers out;
  const Orphans orphans;
  if (options.orphans == nullptr) options.orphans = &orphans;
  out.child = run_in_child(arguments, options);
  std::string_view lines = out.child.result;
  for (std::size_t end = 0; (end = lines.find('\n')) != std::string_view::npos;
       lines.remove_prefix(end + 1)) {
    out.lines.push_back(from_json(lines.substr(0, end), "child"));
  }
  return out;
}

// The description in an answer. Throws the error that it is instead.
Value description_in(const Value& line) {
  if (const Value* error = line.find("error")) throw error_of(*error);
  return line.at("description");
}

// One that a plugin ended with code 0 has not failed by that.
std::string end_of(const ChildResult& child) {
  return child.outcome == ChildResult::Outcome::passed ? "ended the process itself, with code 0,"
                                                       : child.what();
}

Error silence_of(const PluginFile& file, const ChildResult& child) {
  Error error(ErrorKind::plugin,
              cat("plugin '", file.id, "' ", end_of(child), " while it was loaded"));
  if (const std::string words = last_words(child); !words.empty()) error.with_help(words);
  return error.within(file.path.string());
}

Value construct_of(const Answers& answers) {
  if (answers.lines.size() > 1) {
    if (const Value* error = answers.lines[1].find("error")) throw error_of(*error);
    return answers.lines[1].at("construct");
  }
  const ChildResult& child = answers.child;
  const bool late = child.outcome == ChildResult::Outcome::timed_out;
  const std::string words = last_words(child);
  return outcome(late ? "timed_out" : "crashed",
                 cat(end_of(child), " when it was created", words.empty() ? "" : cat("; ", words)));
}

// What each file's plugin says of itself, or why it cannot.
using Told = std::vector<std::variant<Value, Error>>;

Told ask_of_each(const std::vector<const PluginFile*>& files, const ChildOptions& options) {
  Told out;
  while (out.size() < files.size()) {
    std::vector<std::string> arguments{"files"};
    for (std::size_t i = out.size(); i < files.size(); ++i) {
      arguments.push_back(files[i]->path.string());
    }
    const Answers answers = ask_child(std::move(arguments), options);
    for (const Value& line : answers.lines) {
      try {
        out.emplace_back(description_in(line));
      } catch (const Error& error) {
        out.emplace_back(error);
      }
    }
    // One that follows others may have failed for their sake: it comes first in the next child.
    if (answers.lines.empty()) out.emplace_back(silence_of(*files[out.size()], answers.child));
  }
  return out;
}

void answer_for_files(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    try {
      answer(one("description", describe(load_plugin(read_plugin_file(path)))));
    } catch (const Error& error) {
      answer(one("error", error_value(error)));
    }
  }
}

// `about`: FILE KIND NAME [CONFIG]
void answer_for_component(const std::vector<std::string>& about) {
  Scan scan;
  scan.plugins.push_back(read_plugin_file(about[0]));
  const Catalog catalog(std::move(scan));
  const Component component = catalog.load(about[1], about[2]);
  answer(one("description", describe(component)));
  const Value config = about.size() > 3 ? from_json(about[3], "configuration") : Value::table();
  answer(one("construct", construct(component, config)));
}

}  // namespace

int inspect_child(const std::vector<std::string>& arguments) {
  constexpr int kUsage = 2;
  if (arguments.empty()) return kUsage;
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  try {
    if (arguments[0] == "files") {
      answer_for_files(rest);
    } else if (arguments[0] == "component" && rest.size() >= 3) {
      answer_for_component(rest);
    } else {
      return kUsage;
    }
  } catch (const Error& error) {
    if (!send_result(to_json(one("error", error_value(error))) + '\n')) return kUsage;
  }
  return 0;
}

Value inspect_component(const Catalog::Entry& entry, const ChildOptions& options,
                        const Value& config) {
  const Answers answers = ask_child({"component", entry.file->path.string(), entry.component->kind,
                                     entry.component->name, to_json(config)},
                                    options);
  if (answers.lines.empty()) throw silence_of(*entry.file, answers.child);
  Value out = description_in(answers.lines[0]);
  out.set("construct", construct_of(answers));
  return out;
}

Value inspect_plugin(const PluginFile& file, const ChildOptions& options) {
  auto told = ask_of_each({&file}, options);
  if (const Error* error = std::get_if<Error>(&told[0])) throw *error;
  return std::get<Value>(std::move(told[0]));
}

Value describe_loaded(const Catalog& catalog, const ChildOptions& options) {
  Value listing = describe(catalog);
  std::vector<const PluginFile*> files;
  std::vector<Value*> rows;
  Value::List& plugins = listing.find("plugins")->as_list();
  for (std::size_t i = 0; i < plugins.size(); ++i) {
    if (plugins[i].find("problem") != nullptr) continue;
    files.push_back(catalog.plugins()[i]);
    rows.push_back(&plugins[i]);
  }
  Told told = ask_of_each(files, options);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (const Error* error = std::get_if<Error>(&told[i])) {
      rows[i]->set("problem", Value(error->message()));
    } else {
      *rows[i] = std::get<Value>(std::move(told[i]));
    }
  }
  return listing;
}

}  // namespace saffron::host
