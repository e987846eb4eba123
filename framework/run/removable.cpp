#include "framework/recipe/settings.h"
#include "framework/run/results.h"
#include "framework/run/run_directory.h"

#include <saffron/error.h>

#include <algorithm>
#include <functional>
#include <string_view>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kKeyCharacters = 64;  // a SHA-256's
constexpr std::string_view kCacheKinds[] = {"train", "score", "compare"};

bool is_hexadecimal(std::string_view text, std::size_t characters) {
  return text.size() == characters &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The text on both sides of the last `mark`; without one, `text` and "".
std::pair<std::string_view, std::string_view> split_at(std::string_view text,
                                                       std::string_view mark) {
  const std::size_t at = text.rfind(mark);
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + mark.size())};
}

// <name>-<hash>, as RunDirectory names a run.
bool is_run_name(std::string_view text) {
  constexpr std::size_t kEnd = RunDirectory::kHashCharacters;
  return text.size() > kEnd + 1 && text[text.size() - kEnd - 1] == '-' &&
         is_hexadecimal(text.substr(text.size() - kEnd), kEnd) &&
         is_plain_name(text.substr(0, text.size() - kEnd - 1), true);
}

// AtomicFile's: .<name>.tmp-<process>-<number>, of a file that `is_own` knows.
bool is_unfinished_file(std::string_view text,
                        const std::function<bool(std::string_view)>& is_own) {
  const auto [name, ending] = split_at(text, ".tmp-");
  const auto [process, number] = split_at(ending, "-");
  return name.starts_with('.') && is_own(name.substr(1)) && is_number(process) && is_number(number);
}

bool is_own_folder(const fs::directory_entry& entry) {  // never one behind a link
  return entry.symlink_status().type() == fs::file_type::directory;
}

std::int64_t size_of(const fs::path& path) {
  std::int64_t bytes = 0;
  if (fs::is_regular_file(path)) return static_cast<std::int64_t>(fs::file_size(path));
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) bytes += static_cast<std::int64_t>(entry.file_size());
  }
  return bytes;
}

class Finder {
 public:
  explicit Finder(bool cached_too) : cached_too_(cached_too) {}

  Cleaning found;

  void look_at(const fs::path& folder, void (Finder::*into)(const fs::path&)) {
    if (folder.empty()) return;
    saffrons_ = false;
    if (!fs::is_directory(folder)) {
      found.remarks.push_back(folder.string() +
                              (fs::exists(folder) ? ": is not a folder" : ": no such folder"));
      return;
    }
    (this->*into)(folder);
    if (!saffrons_) found.remarks.push_back(folder.string() + ": nothing of Saffron's is here");
  }

  void runs(const fs::path& folder) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const std::string file = entry.path().filename().string();
      const auto [run, number] = split_at(file, ".replaced-");
      if (!is_run_name(run) || !is_own_folder(entry) ||
          !fs::is_regular_file(entry.path() / "manifest.json")) {
        continue;
      }
      saffrons_ = true;
      if (is_number(number)) add(entry, "replaced run");
    }
  }

  void results(const fs::path& folder) {
    unfinished_files(folder, [](std::string_view name) { return name == "digests.json"; });
    for (const std::string_view kind : kCacheKinds) {
      if (fs::is_directory(folder / kind)) results_of_kind(folder / kind);
    }
  }

 private:
  void results_of_kind(const fs::path& folder) {
    if (fs::is_directory(folder / "latest")) {
      unfinished_files(folder / "latest", [](std::string_view name) {
        return name.ends_with(".json") && is_hexadecimal(name.substr(0, name.size() - 5), 16);
      });
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const std::string file = entry.path().filename().string();
      const auto [key, process] = split_at(file, ".partial-");
      if (!is_hexadecimal(key, kKeyCharacters) || !is_own_folder(entry)) continue;
      if (is_number(process)) {
        add(entry, "unfinished cache entry");
      } else if (key == file && fs::is_regular_file(entry.path() / "key.json")) {
        saffrons_ = true;
        if (cached_too_) add(entry, "cached result");
      }
    }
  }

  // Beside files that `is_own` knows, which stay: they list what was asked for last.
  void unfinished_files(const fs::path& folder,
                        const std::function<bool(std::string_view)>& is_own) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (entry.symlink_status().type() != fs::file_type::regular) continue;
      const std::string file = entry.path().filename().string();
      if (is_own(file)) saffrons_ = true;
      if (is_unfinished_file(file, is_own)) add(entry, "unfinished file");
    }
  }

  void add(const fs::directory_entry& entry, const char* what) {
    saffrons_ = true;
    found.items.push_back({entry.path(), what, size_of(entry.path())});
  }

  const bool cached_too_;
  bool saffrons_ = false;  // something in the folder looked at is
};

}  // namespace

Cleaning removable(const fs::path& runs, const fs::path& cache, bool cache_too) {
  Finder finder(cache_too);
  finder.look_at(runs, &Finder::runs);
  finder.look_at(cache, &Finder::results);
  std::sort(finder.found.items.begin(), finder.found.items.end(),
            [](const Removable& a, const Removable& b) { return a.path < b.path; });
  return std::move(finder.found);
}

}  // namespace saffron::host
