#pragma once

#include "framework/loader/elf_tag.h"

#include <saffron/error.h>

#include <filesystem>
#include <string>
#include <vector>

// Where plugins are looked for, and what was found there, without loading any.
//
// The order, first wins: the recipe's `plugins = [...]`, --plugin-path, $SAFFRON_PLUGIN_PATH, the
// user's data folder ($XDG_DATA_HOME or ~/.local/share, then saffron/plugins), and
// <prefix>/lib/saffron/plugins beside the program. A folder is read one level deep, files *.so in
// the order of their names. No rule ties a file's name to the plugin's id.

namespace saffron::host {

// One thing to look at: a plugin file, or a folder of them.
struct SearchPlace {
  std::filesystem::path path;
  std::string reason;     // "--plugin-path", "$SAFFRON_PLUGIN_PATH", "user's plugins"
  bool required = false;  // somebody named it: that it is missing or bad is an error
  Origin origin;          // of a recipe's entry
};

struct SearchOptions {
  std::vector<SearchPlace> recipe;       // paths as the recipe has them, with their origins
  std::filesystem::path recipe_folder;   // what relative ones are relative to
  std::vector<std::string> plugin_path;  // each value of --plugin-path; ':' separates within one
  bool standard_places = true;           // the environment, the user's folder and the prefix
};

[[nodiscard]] std::vector<SearchPlace> search_places(const SearchOptions& options);
// <prefix> of <prefix>/bin/saffron, from where the running program lies; empty when unknown.
[[nodiscard]] std::filesystem::path program_prefix();
// <prefix>/lib/saffron/plugins.
[[nodiscard]] std::filesystem::path prefix_plugins();

struct Rejected {
  std::filesystem::path path;
  Error error;    // why it was not taken
  bool required;  // its place was
};

struct Scan {
  std::vector<SearchPlace> places;  // all that were looked at, in order
  std::vector<PluginFile> plugins;  // in order; several may have one id
  std::vector<Rejected> rejected;
};

[[nodiscard]] Scan scan(const std::vector<SearchPlace>& places);
[[nodiscard]] inline Scan scan(const SearchOptions& options) {
  return scan(search_places(options));
}

}  // namespace saffron::host
