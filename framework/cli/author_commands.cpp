#include "framework/author/new_plugin.h"
#include "framework/cli/commands.h"
#include "framework/loader/catalog.h"
#include "framework/loader/search_path.h"
#include "framework/recipe/kinds.h"
#include "framework/recipe/problems.h"

#include <saffron/error.h>

#include <iostream>
#include <memory>

namespace saffron::cli {
namespace {

// What to type next, for this program's own prefix.
void print_next_steps(const host::MadePlugin& made, const host::NewPlugin& wanted) {
  const std::filesystem::path prefix = host::program_prefix();
  const std::string program = host::shell_word((prefix / "bin" / "saffron").string());
  std::cout << "\nnext:\n";
  if (!std::filesystem::equivalent(made.folder, std::filesystem::current_path())) {
    std::cout << "  cd " << host::shell_word(made.folder.string()) << "\n";
  }
  std::cout << "  cmake -B build -DCMAKE_PREFIX_PATH=" << host::shell_word(prefix.string()) << "\n"
            << "  cmake --build build\n"
            << "  ctest --test-dir build --output-on-failure\n"
            << "  " << program;
  if (made.recipe) {
    std::cout << " run " << wanted.name << ".toml\n";
  } else {
    std::cout << " inspect " << wanted.kind << ' ' << made.use << " --plugin-path build\n";
  }
}

void make_plugin(const host::NewPlugin& wanted) {
  const host::Catalog catalog(host::scan(host::SearchOptions()));
  const host::MadePlugin made = host::make_plugin(wanted, catalog);
  std::cout << "made " << host::with_article(wanted.kind) << " in " << made.folder.string() << "\n";
  for (const std::string& file : made.files) std::cout << "  " << file << "\n";
  if (!made.note.empty()) std::cerr << "note: " << made.note << "\n";
  print_next_steps(made, wanted);
}

void add_new_plugin(CLI::App& app) {
  auto wanted = std::make_shared<host::NewPlugin>();
  auto directory = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "new-plugin", "Make a folder with a plugin that builds, its tests and a recipe that runs it");
  command->add_option("name", wanted->name, "of the component and its files, e.g. hoyer")
      ->required();
  const std::vector<std::string> kinds = host::kind_names();
  command->add_option("--kind", wanted->kind, "what it is: " + host::listed(kinds, kinds.size()))
      ->required();
  auto* id = command->add_option(
      "--id", wanted->id,
      "the plugin's id, a name that you own, backwards (default org.example.NAME)");
  auto* folder =
      command->add_option("--directory", *directory, "the folder to make (default ./NAME)");
  command->callback([wanted, directory, id, folder] {
    if (id->count() > 0) host::check_plugin_id(wanted->id);  // "" is no id, and not the default
    if (folder->count() > 0 && directory->empty()) {
      throw Error("'' cannot be a folder's name").with_help("--directory DIR");
    }
    wanted->directory = *directory;
    make_plugin(*wanted);
  });
}

}  // namespace

void add_author_commands(CLI::App& app, int&) { add_new_plugin(app); }

}  // namespace saffron::cli
