#pragma once

#include <saffron/value.h>

#include <filesystem>
#include <string>
#include <vector>

namespace saffron::host {

// SHA-256 of input files and plugins, remembered in <cache>/digests.json by path, size and the times
// of the last change to content and to inode (the latter cannot be set back, as tools that copy
// times do with the former), so that an unchanged 100 MB file is read once.
class Digests {
 public:
  explicit Digests(std::filesystem::path cache);
  [[nodiscard]] std::string of(const std::filesystem::path& file);
  // Writes what was learnt.
  void save();

 private:
  std::filesystem::path file_;
  Value known_;
  bool changed_ = false;
};

// The regular files that a path, folder (recursively) or glob pattern stands for, sorted.
[[nodiscard]] std::vector<std::filesystem::path> files_of(const std::string& pattern);

}  // namespace saffron::host
