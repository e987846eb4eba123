#pragma once

#include <filesystem>
#include <string>
#include <vector>

// A new plugin's folder, from the templates in <prefix>/share/saffron/template:
//
//   common/CMakeLists.txt README.md ci.yml   of every plugin; the last for .github/workflows
//   <kind>/plugin.cpp plugin_test.cpp        become NAME.cpp, NAME_test.cpp
//   <kind>/recipe.toml                       becomes NAME.toml; absent where no recipe can use one
//   <kind>/*                                 keeps its name, and replaces a common file of that name
//
// @NAME@ @CLASS@ @ID@ @KIND@ @USE@ @VERSION@ @TORCH@ stand for what they say, in contents only.

namespace saffron::host {

class Catalog;

struct NewPlugin {
  std::string name;                 // of the component and of its files: "hoyer"
  std::string kind;                 // "regularizer"
  std::string id;                   // "" = org.example.NAME
  std::filesystem::path directory;  // the folder to make; empty = ./NAME
};

struct MadePlugin {
  std::filesystem::path folder;    // as it was asked for
  std::vector<std::string> files;  // relative to it, sorted
  std::string use;      // what a recipe writes: the name, or "id::name" where it is ambiguous
  bool recipe = false;  // there is a NAME.toml
  std::string note;     // that other plugins have a component of this name; "" when none has
};

// Writes the folder, as a whole or not at all: one that exists must be empty. Components of
// `catalog` may have the name already. Throws Error (invalid) for a name, kind or id that cannot be,
// (io) for a folder that is in the way or cannot be written, and when the templates are not there.
[[nodiscard]] MadePlugin make_plugin(const NewPlugin& wanted, const Catalog& catalog);

// Throws Error (invalid) for what cannot be a plugin's id.
void check_plugin_id(const std::string& id);

// "two_words" as a class is called: "TwoWords".
[[nodiscard]] std::string class_name(const std::string& name);

// How a shell reads `text` as one word: as it is, or between single quotes.
[[nodiscard]] std::string shell_word(const std::string& text);

}  // namespace saffron::host
