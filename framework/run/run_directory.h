#pragma once

#include <saffron/value.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace saffron::host {

// Creates a folder and those above it. Error (io) names it, with `help`.
void create_folder(const std::filesystem::path& path, std::string_view help);

enum class RunStatus : std::uint8_t { running, done, failed, interrupted };
[[nodiscard]] const char* to_string(RunStatus status);

// runs/<name>-<hash>/, owned by this process while the object lives.
//
// Files appear whole (written beside, synchronised, renamed); metrics.jsonl alone grows. The lock is
// the kernel's (flock): it goes with the process, however that ends, so a run whose manifest says
// `running` without a holder was killed.
class RunDirectory {
 public:
  // Creates or opens the directory and locks it. Error (busy) names the process that holds it.
  RunDirectory(const std::filesystem::path& runs, const std::string& name, const std::string& hash);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path file(const std::string& name) const { return path_ / name; }
  [[nodiscard]] std::string id() const { return path_.filename().string(); }

  // manifest.json; null when there is none yet. Error (data) when it is no manifest, or was removed.
  [[nodiscard]] Value manifest() const;
  void write_manifest(const Value& manifest) const;
  // Moves what is here, if anything, aside to <id>.replaced-<n>, and starts empty.
  void start_fresh();

  // The first characters of the hash that name a directory.
  static constexpr std::size_t kHashCharacters = 10;

 private:
  void lock();
  [[nodiscard]] bool is_empty() const;

  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace saffron::host
