#include "framework/cli/commands.h"

#include "framework/loader/catalog.h"
#include "framework/loader/describe.h"
#include "framework/loader/inspect.h"
#include "framework/recipe/kinds.h"

#include <saffron/error.h>

#include <iostream>
#include <memory>

namespace saffron::cli {
namespace {

using host::Catalog;

struct PluginRequest {
  std::vector<std::string> plugin_path;
  std::string kind, name;
  bool json = false, load = false;
  std::vector<std::string> child;  // arguments of the hidden subcommand
};

Catalog catalog_of(const PluginRequest& request) {
  host::SearchOptions options;
  options.plugin_path = request.plugin_path;
  return Catalog(host::scan(options));
}

void print(const Value& value, bool json, std::string (*text)(const Value&)) {
  std::cout << (json ? to_json(value, JsonStyle::pretty) + "\n" : text(value));
}

void list_kind(const PluginRequest& request) {
  const Catalog catalog = catalog_of(request);
  if (!request.kind.empty() && host::find_kind(request.kind) == nullptr) {
    throw Error(
        cat("'", request.kind, "' is no kind of component", host::nearest_kind(request.kind)));
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
    command
        ->add_option("--plugin-path", request->plugin_path,
                     "a plugin file, or a folder of plugins; may be repeated")
        ->expected(1)
        ->take_all();
  };
  auto* plugins = app.add_subcommand(
      "plugins", "List plugins: every file looked at, and why it was or was not taken");
  add_path(plugins);
  plugins->add_flag("--json", request->json, "as JSON");
  plugins->add_flag("--load", request->load,
                    "also load each, in a process of its own, and show summaries");
  plugins->callback([request] {
    const Catalog catalog = catalog_of(*request);
    print(request->load ? host::describe_loaded(catalog) : host::describe(catalog), request->json,
          host::catalog_text);
  });

  auto* inspect = app.add_subcommand("inspect", "Show a component: what it does, its parameters");
  add_path(inspect);
  inspect->add_option("kind", request->kind,
                      "e.g. sae, source, scorer, or train for a train node's keys; none lists "
                      "everything");
  inspect->add_option("name", request->name, "e.g. topk, or org.saffron.topk::topk");
  inspect->add_flag("--json", request->json, "as JSON");
  inspect->callback([request] {
    if (request->name.empty() && request->kind == "train") {
      return print(host::describe_train(), request->json, host::train_text);
    }
    if (request->name.empty()) return list_kind(*request);
    const Catalog catalog = catalog_of(*request);
    print(host::inspect_component(catalog.find(request->kind, request->name)), request->json,
          host::component_text);
  });

  auto* child = app.add_subcommand(host::kInspectCommand, "")->group("");
  child->add_option("arguments", request->child);
  child->callback([request, &code] { code = host::inspect_child(request->child); });
}

}  // namespace saffron::cli
