#include "framework/run/digests.h"

#include <saffron/error.h>
#include <saffron/files.h>
#include <saffron/io.h>
#include <saffron/log.h>

#include "framework/run/run_directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace saffron::host {
namespace fs = std::filesystem;
namespace {

std::int64_t nanoseconds(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// What tells, without reading it, that a file is the one that was digested.
Value stamp_of(const fs::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) {
    throw Error(ErrorKind::io, cat("cannot read its size: ", std::strerror(errno)))
        .within(file.string());
  }
  Value stamp = Value::table();
  stamp.set("size", static_cast<std::int64_t>(status.st_size));
  stamp.set("time", nanoseconds(status.st_mtim));
  stamp.set("changed", nanoseconds(status.st_ctim));
  return stamp;
}

}  // namespace

Digests::Digests(fs::path cache) : file_(cache / "digests.json"), known_(Value::table()) {
  if (!fs::exists(file_)) return;
  try {
    known_ = from_json(read_text(file_), file_.string());
    if (!known_.is_table()) known_ = Value::table();
  } catch (const Error& error) {
    logging::warning(cat("starting the list of digests anew: ", error.what()));
    known_ = Value::table();
  }
}

std::string Digests::of(const fs::path& file) {
  const fs::path path = fs::weakly_canonical(file);
  Value entry = stamp_of(path);
  if (const Value* held = known_.find(path.string()); held != nullptr && held->is_table()) {
    const Value* digest = held->find("sha256");
    if (digest != nullptr && digest->is_string()) {
      entry.set("sha256", *digest);
      if (*held == entry) return digest->as_string();
    }
  }
  const std::string digest = sha256_file(path);
  entry.set("sha256", digest);
  known_.set(path.string(), std::move(entry));
  changed_ = true;
  return digest;
}

void Digests::save() {
  if (!changed_) return;
  create_folder(file_.parent_path(),
                "choose another place with --cache DIR, or keep no results with --cache \"\"");
  write_file_atomic(file_, to_json(known_, JsonStyle::pretty) + "\n");
  changed_ = false;
}

std::vector<fs::path> files_of(const std::string& pattern) {
  std::vector<fs::path> found;
  if (fs::is_directory(pattern)) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(pattern)) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  try {
    for (const std::string& file : expand_files({&pattern, 1})) found.emplace_back(file);
  } catch (const Error&) {
    return {};  // the component that reads it says what is wrong
  }
  return found;
}

}  // namespace saffron::host
