#include "framework/run/run_directory.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace saffron::host {
namespace fs = std::filesystem;

namespace {

// What a manifest must have for a run to be resumed.
void check_manifest(const Value& manifest) {
  for (const char* key : {"status", "started"}) (void)manifest.at(key).as_string();
  for (const char* key : {"inputs", "plugins", "environment"}) (void)manifest.at(key).as_table();
  (void)manifest.at("resumed").as_list();
}

}  // namespace

void create_folder(const fs::path& path, std::string_view help) {
  std::error_code failure;
  fs::create_directories(path, failure);
  if (!failure) return;
  throw Error(ErrorKind::io, cat("cannot create the folder: ", failure.message()))
      .within(path.string())
      .with_help(help);
}

const char* to_string(RunStatus status) {
  switch (status) {
    case RunStatus::running: return "running";
    case RunStatus::done: return "done";
    case RunStatus::failed: return "failed";
    case RunStatus::interrupted: return "interrupted";
  }
  return "unknown";
}

RunDirectory::RunDirectory(const fs::path& runs, const std::string& name, const std::string& hash)
    : path_(runs / (name + "-" + hash.substr(0, kHashCharacters))) {
  create_folder(path_, "choose another place with --runs DIR");
  lock();
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

void RunDirectory::lock() {
  const std::string file = (path_ / ".lock").string();
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) {
    throw Error(ErrorKind::io, cat("cannot open the lock: ", std::strerror(errno)))
        .within(file)
        .with_help("choose another place with --runs DIR");
  }
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    if (::pread(lock_, holder, sizeof holder - 1, 0) < 0) holder[0] = '?';
    ::close(lock_);
    lock_ = -1;
    throw Error(ErrorKind::busy, cat("another process (", holder, ") is working on this run"))
        .within(path_.string())
        .with_help("wait for it, or stop it; it then resumes where it was");
  }
  const std::string own = std::to_string(::getpid());
  if (::ftruncate(lock_, 0) != 0 || ::pwrite(lock_, own.data(), own.size(), 0) < 0) {
    throw Error(ErrorKind::io, cat("cannot write the lock: ", std::strerror(errno))).within(file);
  }
}

Value RunDirectory::manifest() const {
  const fs::path file = path_ / "manifest.json";
  if (!fs::exists(file)) return {};
  try {
    Value manifest = from_json(read_text(file), file.string());
    check_manifest(manifest);
    return manifest;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io) throw;
    throw Error(ErrorKind::data, cat("the manifest is damaged: ", error.message()))
        .within(error.where().empty() ? file.string() : error.where())
        .with_help("start over with --fresh (what is there is kept aside)");
  }
}

void RunDirectory::write_manifest(const Value& manifest) const {
  write_file_atomic(path_ / "manifest.json", to_json(manifest, JsonStyle::pretty) + "\n");
}

void RunDirectory::start_fresh() {
  fs::path aside;
  for (int n = 1;; ++n) {
    aside = path_;
    aside += ".replaced-" + std::to_string(n);
    if (!fs::exists(aside)) break;
  }
  fs::create_directory(aside);
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (entry.path().filename() != ".lock") {
      fs::rename(entry.path(), aside / entry.path().filename());
    }
  }
}

}  // namespace saffron::host
