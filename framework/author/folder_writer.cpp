#include "framework/author/folder_writer.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <unistd.h>

#include <algorithm>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

// Absolute, without "." and "..", and without the "/" at the end that has no file name.
fs::path tidy(const fs::path& folder) {
  const fs::path path = fs::absolute(folder).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

FolderWriter::FolderWriter(const fs::path& folder) : folder_(tidy(folder)) {
  const fs::file_status status = fs::status(folder_);
  exists_ = fs::is_directory(status);
  if (fs::exists(status) && !exists_) {
    throw Error(ErrorKind::io, cat("'", folder.string(), "' is in the way: it is a file"))
        .with_help("name another folder: --directory DIR");
  }
  if (exists_ && !fs::is_empty(folder_)) {
    throw Error(ErrorKind::io, cat("the folder '", folder.string(), "' exists and is not empty"))
        .with_help("name another folder: --directory DIR");
  }
  const std::string name = cat(".", folder_.filename().string(), ".partial-", ::getpid());
  stage_ = (exists_ ? folder_ : folder_.parent_path()) / name;
}

FolderWriter::~FolderWriter() {
  std::error_code ignored;  // the first failure is the one to tell
  fs::remove_all(stage_, ignored);
  for (const fs::path& path : moved_) fs::remove_all(path, ignored);
  std::reverse(made_.begin(), made_.end());
  for (const fs::path& path : made_) fs::remove(path, ignored);  // only while it is empty
}

void FolderWriter::make_stage() {
  for (fs::path above = stage_.parent_path(); !fs::exists(above); above = above.parent_path()) {
    made_.insert(made_.begin(), above);
  }
  fs::create_directories(stage_);
}

void FolderWriter::write(const fs::path& file, std::string_view text) {
  if (!fs::exists(stage_)) make_stage();
  const fs::path path = stage_ / file;
  fs::create_directories(path.parent_path());
  write_file_atomic(path, text);
}

void FolderWriter::commit() {
  if (!exists_) {
    fs::rename(stage_, folder_);
  } else {
    std::vector<fs::path> names;
    for (const auto& entry : fs::directory_iterator(stage_)) names.push_back(entry.path());
    for (const fs::path& from : names) {
      const fs::path to = folder_ / from.filename();
      fs::rename(from, to);
      moved_.push_back(to);
    }
    fs::remove(stage_);
  }
  stage_.clear();
  made_.clear();
  moved_.clear();
}

}  // namespace saffron::host
