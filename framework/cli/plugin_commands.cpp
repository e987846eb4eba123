#include "framework/cli/commands.h"

#include "framework/loader/catalog.h"
#include "framework/loader/component.h"
#include "framework/loader/describe.h"
#include "framework/loader/kinds.h"
#include "framework/loader/load.h"
#include "framework/loader/sandbox.h"

#include <saffron/error.h>

#include <iostream>
#include <memory>

namespace saffron::cli {
namespace {

using host::Catalog;
using host::ChildResult;

struct PluginRequest {
  std::vector<std::string> plugin_path;
  std::string kind, name, file;
  bool json = false, load = false, create = false;
};

Catalog catalog_of(const PluginRequest& request) {
  host::SearchOptions options;
  options.plugin_path = request.plugin_path;
  return Catalog(host::scan(options));
}

void print(const Value& value, bool json, std::string (*text)(const Value&)) {
  std::cout << (json ? to_json(value, JsonStyle::pretty) + "\n" : text(value));
}

// Runs a hidden subcommand of this program in a child process and returns what it sent. A crash or a
// hang there is an Error (plugin) here.
Value ask_child(std::vector<std::string> arguments, const PluginRequest& request,
                const std::string& what) {
  for (const std::string& path : request.plugin_path) {
    arguments.push_back("--plugin-path");
    arguments.push_back(path);
  }
  const ChildResult result = host::run_in_child(arguments);
  if (result.outcome != ChildResult::Outcome::passed || result.result.empty()) {
    std::string message = cat(what, " ", result.what());
    if (!result.output.empty()) message += "; it printed:\n" + result.output;
    throw Error(ErrorKind::plugin, message);
  }
  const Value answer = from_json(result.result, "the child's answer");
  if (const Value* failure = answer.find("error")) {
    throw Error(ErrorKind::plugin, failure->as_string());
  }
  return answer;
}

int answer(const std::function<Value()>& make) {
  Value value;
  try {
    value = make();
  } catch (const Error& error) {
    value = Value::table();
    value.set("error", error.what());
  }
  host::send_result(to_json(value));
  return 0;
}

void list_plugins(const PluginRequest& request) {
  const Catalog catalog = catalog_of(request);
  Value listing = host::describe(catalog);
  if (request.load) {
    Value loaded = Value::list();
    for (const host::PluginFile* file : catalog.plugins()) {
      try {
        loaded.push(ask_child({"__load-child", file->path.string()}, request, file->path.string()));
      } catch (const Error& error) {
        Value entry = Value::table();
        entry.set("file", file->path.string());
        entry.set("error", error.what());
        loaded.push(std::move(entry));
      }
    }
    listing.set("loaded", std::move(loaded));
  }
  print(listing, request.json, host::catalog_text);
}

void list_kind(const PluginRequest& request) {
  const Catalog catalog = catalog_of(request);
  if (!request.kind.empty() && host::find_kind(request.kind) == nullptr) {
    throw Error(cat("'", request.kind, "' is no kind of component", host::nearest_kind(request.kind)));
  }
  std::string last;
  for (const Catalog::Entry& entry : catalog.list(request.kind)) {
    if (entry.component->kind != last) {
      std::cout << (last.empty() ? "" : "\n") << entry.component->kind << "\n";
      last = entry.component->kind;
    }
    std::cout << "  " << entry.component->name << "   (" << entry.file->id << ")\n";
  }
  std::cout << "\nsaffron inspect KIND NAME shows one with its parameters.\n";
}

}  // namespace

void add_plugin_commands(CLI::App& app, int& code) {
  auto request = std::make_shared<PluginRequest>();
  const auto add_path = [&](CLI::App* command) {
    command->add_option("--plugin-path", request->plugin_path,
                        "a plugin file, or a folder of plugins; may be repeated")
        ->expected(1)
        ->take_all();
  };
  auto* plugins = app.add_subcommand(
      "plugins", "List plugins: every file looked at, and why it was or was not taken");
  add_path(plugins);
  plugins->add_flag("--json", request->json, "as JSON");
  plugins->add_flag("--load", request->load, "also load each, in a process of its own");
  plugins->callback([request] { list_plugins(*request); });

  auto* inspect = app.add_subcommand("inspect", "Show a component: what it does, its parameters");
  add_path(inspect);
  inspect->add_option("kind", request->kind, "e.g. sae, source, scorer; none lists everything");
  inspect->add_option("name", request->name, "e.g. topk, or org.saffron.topk::topk");
  inspect->add_flag("--json", request->json, "as JSON");
  inspect->callback([request] {
    if (request->name.empty()) return list_kind(*request);
    (void)catalog_of(*request).find(request->kind, request->name);
    print(ask_child({"__inspect-child", request->kind, request->name}, *request,
                    cat(request->kind, " ", request->name)),
          request->json, host::component_text);
  });

  auto* inspect_child = app.add_subcommand("__inspect-child", "")->group("");
  add_path(inspect_child);
  inspect_child->add_option("kind", request->kind)->required();
  inspect_child->add_option("name", request->name)->required();
  inspect_child->callback([request, &code] {
    code = answer([&] {
      return host::describe(catalog_of(*request).load(request->kind, request->name));
    });
  });
  auto* load_child = app.add_subcommand("__load-child", "")->group("");
  add_path(load_child);
  load_child->add_option("file", request->file)->required();
  load_child->callback([request, &code] {
    code = answer([&] {
      return host::describe(host::load_plugin(host::read_plugin_file(request->file)));
    });
  });
}

}  // namespace saffron::cli
