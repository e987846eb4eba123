#include <saffron/files.h>

#include <saffron/error.h>

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace saffron::inline sdk_v1 {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> matches_of(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_BRACE | GLOB_NOSORT, nullptr, &found);
  std::vector<std::string> paths;
  if (status == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status == GLOB_NOSPACE) throw Error(ErrorKind::io, cat("out of memory at '", pattern, "'"));
  std::erase_if(paths, [](const std::string& path) { return fs::is_directory(path); });
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> files_of(const std::string& pattern) {
  std::error_code ignored;
  if (fs::is_directory(pattern, ignored)) {
    throw Error(cat("'", pattern, "' is a folder, not a file"))
        .with_help(cat("name its files by a pattern: '", (fs::path(pattern) / "*").string(), "'"));
  }
  if (fs::exists(pattern, ignored)) return {pattern};
  std::vector<std::string> paths = matches_of(pattern);
  if (!paths.empty()) return paths;
  const bool is_pattern = pattern.find_first_of("*?[{") != pattern.npos;
  throw Error(ErrorKind::io, is_pattern ? cat("no file matches '", pattern, "'")
                                        : cat("there is no file '", pattern, "'"))
      .with_help(cat("relative paths start from ", fs::current_path(ignored).string()));
}

}  // namespace

std::vector<std::string> expand_files(std::span<const std::string> patterns) {
  std::vector<std::string> files;
  std::set<std::string> seen;
  for (const std::string& pattern : patterns) {
    for (std::string& path : files_of(pattern)) {
      std::error_code ignored;
      const fs::path canonical = fs::canonical(path, ignored);
      if (seen.insert(ignored ? path : canonical.string()).second) files.push_back(std::move(path));
    }
  }
  return files;
}

}  // namespace saffron::inline sdk_v1
