#include "framework/run/run_directory.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace saffron::host {
namespace fs = std::filesystem;

namespace {

constexpr const char* kStartOver = "start over with --fresh (what is there is kept aside)";

// What a manifest must have for a run to be resumed.
void check_manifest(const Value& manifest) {
  for (const char* key : {"status", "started"}) (void)manifest.at(key).as_string();
  for (const char* key : {"inputs", "plugins", "libraries", "environment"})
    (void)manifest.at(key).as_table();
  (void)manifest.at("resumed").as_list();
  if (manifest.at("status") == Value("done")) (void)manifest.at("outputs").as_table();
}

// What a killed process was writing: AtomicFile's temporaries.
void remove_unfinished_files(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') && name.find(".tmp-") != name.npos) found.push_back(entry.path());
  }
  for (const fs::path& file : found) fs::remove(file);
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
  remove_unfinished_files(path_);
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
  if (!fs::exists(file)) {
    if (!fs::exists(path_ / "metrics.jsonl")) return {};
    throw Error(ErrorKind::data, "there is no manifest.json, but what a run has written")
        .within(path_.string())
        .with_help(kStartOver);
  }
  try {
    Value manifest = from_json(read_text(file), file.string());
    check_manifest(manifest);
    return manifest;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io) throw;
    throw Error(ErrorKind::data, cat("the manifest is damaged: ", error.message()))
        .within(error.where().empty() ? file.string() : error.where())
        .with_help(kStartOver);
  }
}

void RunDirectory::write_manifest(const Value& manifest) const {
  write_file_atomic(path_ / "manifest.json", to_json(manifest, JsonStyle::pretty) + "\n");
}

bool RunDirectory::is_empty() const {
  const auto entries = fs::directory_iterator(path_);
  return std::all_of(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return entry.path().filename() == ".lock";
  });
}

void RunDirectory::start_fresh() {
  if (is_empty()) return;
  fs::path aside;
  for (int n = 1;; ++n) {
    aside = path_;
    aside += ".replaced-" + std::to_string(n);
    if (!fs::exists(aside)) break;
  }
  fs::create_directory(aside);
  std::vector<fs::path> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (entry.path().filename() != ".lock") names.push_back(entry.path().filename());
  }
  // The manifest last: whatever a kill leaves here must not be resumed unchecked.
  std::stable_partition(names.begin(), names.end(),
                        [](const fs::path& name) { return name != "manifest.json"; });
  for (const fs::path& name : names) fs::rename(path_ / name, aside / name);
}

}  // namespace saffron::host
