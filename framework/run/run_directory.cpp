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
  std::error_code failure;
  fs::create_directories(path_, failure);
  if (failure) {
    throw Error(ErrorKind::io, cat("cannot create the run directory: ", failure.message()))
        .within(path_.string())
        .with_help("choose another place with --runs DIR");
  }
  lock();
}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

void RunDirectory::lock() {
  const std::string file = (path_ / ".lock").string();
  lock_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) {
    throw Error(ErrorKind::io, cat("cannot open the lock: ", std::strerror(errno))).within(file);
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
  return from_json(read_text(file), file.string());
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
