#include "framework/loader/search_path.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

void add_list(std::vector<SearchPlace>& places, std::string_view list, const char* reason,
              bool required) {
  while (!list.empty()) {
    const std::size_t end = list.find(':');
    const std::string_view item = list.substr(0, end);
    if (!item.empty()) places.push_back({fs::path(item), reason, required, {}});
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
  }
}

class Scanner {
 public:
  Scan result;

  void look_at(const SearchPlace& place) {
    std::error_code problem;
    const auto status = fs::status(place.path, problem);
    if (fs::is_directory(status)) {
      look_into(place);
    } else if (fs::exists(status)) {
      take(place, place.path);
    } else if (place.required) {
      Error error(ErrorKind::plugin, cat("no such plugin file or folder: '", place.path.string(),
                                         "' (", place.reason, ")"));
      reject(place, place.path, std::move(error));
    }
  }

 private:
  void look_into(const SearchPlace& place) {
    std::vector<fs::path> files;
    std::error_code problem;
    for (fs::directory_iterator it(place.path, problem), end; !problem && it != end;
         it.increment(problem)) {
      if (it->path().extension() == ".so") files.push_back(it->path());
    }
    if (problem) {
      reject(place, place.path,
             Error(ErrorKind::io,
                   cat("cannot read the folder '", place.path.string(), "': ", problem.message())));
    }
    std::sort(files.begin(), files.end());
    SearchPlace inside = place;
    inside.required = false;  // the folder was named, not each file in it
    for (const fs::path& file : files) take(inside, file);
  }

  void take(const SearchPlace& place, const fs::path& file) {
    std::error_code problem;
    const fs::path real = fs::weakly_canonical(file, problem);
    if (!seen_.insert(problem ? file : real).second) return;  // reached by two ways
    try {
      result.plugins.push_back(read_plugin_file(file));
    } catch (Error& error) {
      reject(place, file, std::move(error));
    }
  }

  void reject(const SearchPlace& place, const fs::path& file, Error error) {
    result.rejected.push_back({file, std::move(error.at(place.origin)), place.required});
  }

  std::set<fs::path> seen_;
};

}  // namespace

fs::path program_prefix() {
  std::error_code problem;
  const fs::path program = fs::read_symlink("/proc/self/exe", problem);
  return problem ? fs::path() : program.parent_path().parent_path();
}

fs::path prefix_plugins() {
  const fs::path prefix = program_prefix();
  return prefix.empty() ? prefix : prefix / "lib" / "saffron" / "plugins";
}

std::vector<SearchPlace> search_places(const SearchOptions& options) {
  std::vector<SearchPlace> places;
  for (SearchPlace place : options.recipe) {
    place.reason = "the recipe's plugins";
    place.required = true;
    if (place.path.is_relative()) place.path = options.recipe_folder / place.path;
    place.path = place.path.lexically_normal();
    places.push_back(std::move(place));
  }
  for (const std::string& list : options.plugin_path) {
    add_list(places, list, "--plugin-path", true);
  }
  if (!options.standard_places) return places;
  add_list(places, environment("SAFFRON_PLUGIN_PATH"), "$SAFFRON_PLUGIN_PATH", false);
  // The XDG base directory specification: relative values are invalid and ignored.
  fs::path data = environment("XDG_DATA_HOME");
  if (!data.is_absolute()) {
    const std::string home = environment("HOME");
    data = home.empty() ? fs::path() : fs::path(home) / ".local" / "share";
  }
  if (!data.empty()) places.push_back({data / "saffron" / "plugins", "user's plugins", false, {}});
  const fs::path prefix = prefix_plugins();
  if (!prefix.empty()) places.push_back({prefix, "this Saffron's own plugins", false, {}});
  return places;
}

Scan scan(const std::vector<SearchPlace>& places) {
  Scanner scanner;
  scanner.result.places = places;
  for (const SearchPlace& place : places) scanner.look_at(place);
  return std::move(scanner.result);
}

}  // namespace saffron::host
