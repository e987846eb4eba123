#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {

// A folder that appears whole or not at all: its files are written into a folder with a temporary
// name beside it (or inside it, where it exists and is empty: a shell may stand in it) and moved by
// commit(). Without commit() the destructor removes what was written, and the folders made above.
class FolderWriter {
 public:
  // Error (io) when `folder` exists and is no empty folder; nothing is written before write().
  explicit FolderWriter(const std::filesystem::path& folder);
  ~FolderWriter();
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;

  // `file` is relative, may have folders in it, and is written once.
  void write(const std::filesystem::path& file, std::string_view text);
  void commit();

 private:
  void make_stage();

  std::filesystem::path folder_, stage_;
  bool exists_ = false;                      // `folder` does, empty
  std::vector<std::filesystem::path> made_;  // folders above `folder`, outermost first
  std::vector<std::filesystem::path> moved_;
};

}  // namespace saffron::host
