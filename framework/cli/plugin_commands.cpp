#include "framework/author/inventory.h"
#include "framework/author/json_schema.h"
#include "framework/author/reference_pages.h"
#include "framework/cli/commands.h"
#include "framework/loader/catalog.h"
#include "framework/loader/describe.h"
#include "framework/loader/inspect.h"
#include "framework/loader/version.h"
#include "framework/recipe/kinds.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

namespace saffron::cli {
namespace {

using host::Catalog;

struct PluginRequest {
  std::vector<std::string> plugin_path;
  std::string kind, name, output, atleast_version;
  bool json = false, load = false, exists = false;
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

// All that there is, for files that are made from it: one that somebody named must be usable, and
// the others that are not are told of.
Value inventory_of(const PluginRequest& request) {
  const Catalog catalog = catalog_of(request);
  if (const std::vector<Error> problems = catalog.problems(); !problems.empty()) throw problems[0];
  Value inventory = host::inventory_of(host::describe_loaded(catalog));
  for (const Value& problem : inventory.at("problems").as_list()) {
    std::cerr << "warning: left out: " << problem.at("file").as_string() << ": "
              << problem.at("problem").as_string() << "\n";
  }
  return inventory;
}

// A kind may be named by the tables that a recipe has for it: `score` for `scorer`.
const host::Kind* kind_named(const std::string& word) {
  const host::Kind* kind = host::find_kind(word);
  if (kind == nullptr) kind = host::kind_of_section(word);
  return kind == nullptr || *kind->name == 0 ? nullptr : kind;
}

// The keys of tables that use no component.
std::optional<Value> section_named(const std::string& word) {
  if (word == "train") return host::describe_train();
  if (word == "recipe") return host::describe_recipe();
  return std::nullopt;
}

void show_component(const PluginRequest& request, const Catalog& catalog, const std::string& kind,
                    const std::string& name) {
  const Catalog::Entry entry = catalog.find(kind, name);
  Value description = host::inspect_component(entry);
  if (catalog.matches(kind, entry.component->name).size() > 1) {
    description.set("use", Value(cat(entry.file->id, "::", entry.component->name)));
  }
  print(description, request.json, host::component_text);
}

// Of which kinds there are components of this name.
std::vector<std::string> kinds_with(const Catalog& catalog, const std::string& name) {
  std::vector<std::string> out = host::kind_names();
  std::erase_if(out, [&](const std::string& kind) { return catalog.matches(kind, name).empty(); });
  return out;
}

// "saffron inspect sae topk", one a kind.
std::string ways_to_inspect(const std::vector<std::string>& kinds, const std::string& name) {
  std::string out;
  for (const std::string& kind : kinds) {
    out += cat(out.empty() ? "" : " or ", "saffron inspect ", kind, ' ', name);
  }
  return out;
}

// A word that is neither a kind nor a component's name.
Error unknown_word(const Catalog& catalog, const std::string& word) {
  Error error(cat("'", word, "' is no kind and no component", host::nearest_kind(word)));
  std::vector<std::string> names;
  for (const Catalog::Entry& entry : catalog.list()) names.push_back(entry.component->name);
  const std::string near = nearest(word, names.data(), names.size());
  if (near.empty()) return error.with_help("saffron inspect lists every kind and component");
  return error.with_help(cat("did you mean: ", ways_to_inspect(kinds_with(catalog, near), near)));
}

// `saffron inspect topk`: a component's name in the place of a kind.
void show_by_name(const PluginRequest& request) {
  const Catalog catalog = catalog_of(request);
  const std::vector<std::string> kinds = kinds_with(catalog, request.kind);
  if (kinds.size() == 1) return show_component(request, catalog, kinds[0], request.kind);
  if (kinds.empty()) throw unknown_word(catalog, request.kind);
  throw Error(cat("components of ", kinds.size(), " kinds have the name '", request.kind, "'"))
      .with_help(ways_to_inspect(kinds, request.kind));
}

void inspect(const PluginRequest& request) {
  const host::Kind* kind = kind_named(request.kind);
  const std::optional<Value> section = section_named(request.kind);
  if (!request.name.empty()) {
    show_component(request, catalog_of(request), kind == nullptr ? request.kind : kind->name,
                   request.name);
  } else if (section) {
    print(*section, request.json, host::section_text);
  } else if (kind == nullptr && !request.kind.empty()) {
    show_by_name(request);
  } else {
    const Value all = host::inventory_of(host::describe_loaded(catalog_of(request)));
    if (kind == nullptr) return print(all, request.json, host::inventory_text);
    print(host::kind_in(all, kind->name), request.json, host::kind_text);
  }
}

bool is_usable(const Catalog::Entry& entry) {
  return compatible(compare(entry.file->tag, host::BuildTag::of_host()));
}

// Whether there is what was asked for, by reading files alone.
bool exists(const PluginRequest& request) {
  if (request.name.empty() && section_named(request.kind)) return true;
  const Catalog catalog = catalog_of(request);
  const host::Kind* named = kind_named(request.kind);
  std::string kind = named == nullptr ? "" : named->name, name = request.name;
  if (named != nullptr && name.empty()) {
    const auto entries = catalog.list(kind);
    return std::any_of(entries.begin(), entries.end(), is_usable);
  }
  if (named == nullptr && name.empty()) {
    const std::vector<std::string> kinds = kinds_with(catalog, request.kind);
    if (kinds.size() == 1) kind = kinds[0];
    name = request.kind;
  }
  const std::vector<Catalog::Entry> found = catalog.matches(kind, name);
  if (found.size() != 1 || !is_usable(found[0])) return false;
  return request.atleast_version.empty() ||
         !host::is_older(found[0].file->version, request.atleast_version);
}

// Only a component has a version.
void check_question(const PluginRequest& request) {
  if (request.kind.empty()) throw CLI::RequiredError("kind");
  const bool component = !request.name.empty() ||
                         (kind_named(request.kind) == nullptr && !section_named(request.kind));
  if (!request.atleast_version.empty() && !component) throw CLI::RequiredError("name");
}

void write_reference(const PluginRequest& request) {
  const Value inventory = inventory_of(request);
  std::filesystem::create_directories(request.output);
  for (const auto& [name, page] : host::reference_pages(inventory)) {
    write_file_atomic(std::filesystem::path(request.output) / name, page);
  }
  std::cout << "reference: " << request.output << "\n";
}

void write_schema(const PluginRequest& request) {
  const Value schema = host::json_schema(host::offers_in(inventory_of(request)));
  const std::string text = to_json(schema, JsonStyle::pretty) + "\n";
  if (request.output.empty()) {
    std::cout << text;
    return;
  }
  write_file_atomic(request.output, text);
  std::cout << "schema: " << request.output << "\n";
}

using Shared = std::shared_ptr<PluginRequest>;

void add_path(CLI::App* command, const Shared& request) {
  command
      ->add_option("--plugin-path", request->plugin_path,
                   "a plugin file, or a folder of plugins; may be repeated")
      ->expected(1)
      ->take_all();
}

void add_plugins(CLI::App& app, const Shared& request) {
  auto* plugins = app.add_subcommand(
      "plugins", "List plugins: every file looked at, and why it was or was not taken");
  add_path(plugins, request);
  plugins->add_flag("--json", request->json, "as JSON");
  plugins->add_flag("--load", request->load,
                    "also load them, in a process of their own, and show summaries");
  plugins->callback([request] {
    const Catalog catalog = catalog_of(*request);
    print(request->load ? host::describe_loaded(catalog) : host::describe(catalog), request->json,
          host::catalog_text);
  });
}

void add_inspect(CLI::App& app, const Shared& request, int& code) {
  auto* inspect_command =
      app.add_subcommand("inspect", "Show a component: what it does, its parameters");
  add_path(inspect_command, request);
  inspect_command->add_option("kind", request->kind,
                              "e.g. sae, source, scorer; train for a train node's keys, recipe for "
                              "those above the first table; none lists everything");
  inspect_command->add_option("name", request->name, "e.g. topk, or org.saffron.topk::topk");
  inspect_command->add_flag("--json", request->json, "as JSON");
  inspect_command->add_flag("--exists", request->exists,
                            "print nothing; exit code 0 when a recipe can use it, 1 otherwise");
  inspect_command
      ->add_option("--atleast-version", request->atleast_version,
                   "as --exists, of a plugin of this version (X.Y.Z) or a later one")
      ->check([](const std::string& text) {
        return host::is_version(text) ? std::string() : cat("'", text, "' is no version X.Y.Z");
      });
  inspect_command->callback([request, &code] {
    const bool asked = request->exists || !request->atleast_version.empty();
    if (!asked) return inspect(*request);
    check_question(*request);
    code = exists(*request) ? 0 : 1;
  });
}

void add_writers(CLI::App& app, const Shared& request) {
  auto* schema = app.add_subcommand(
      "schema", "Write a JSON Schema of recipes, by which editors complete and check them");
  add_path(schema, request);
  schema->add_option("-o,--output", request->output, "the file (default: standard output)");
  schema->callback([request] { write_schema(*request); });

  auto* reference =
      app.add_subcommand("reference", "Write reference pages of every component, in Markdown");
  add_path(reference, request);
  reference->add_option("-o,--output", request->output, "the folder")->required();
  reference->callback([request] { write_reference(*request); });
}

}  // namespace

void add_plugin_commands(CLI::App& app, int& code) {
  auto request = std::make_shared<PluginRequest>();
  add_plugins(app, request);
  add_inspect(app, request, code);
  add_writers(app, request);
  auto* child = app.add_subcommand(host::kInspectCommand, "")->group("");
  child->add_option("arguments", request->child);
  child->callback([request, &code] { code = host::inspect_child(request->child); });
}

}  // namespace saffron::cli
