#include "parse.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace saffron::inline sdk_v1 {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

// Created with O_EXCL, so that two writers of one file never share a temporary; the usual mode
// under the process's umask, as for any other file (mkstemp would give 0600).
int create_temporary(const std::filesystem::path& path, std::filesystem::path& temporary) {
  static std::atomic<unsigned> serial{0};
  constexpr int kAttempts = 1000;  // names may be left over from killed processes
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    temporary = folder_of(path) /
                cat('.', path.filename().string(), ".tmp-", ::getpid(), '-', serial.fetch_add(1));
    const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0) return file;
    if (errno != EEXIST) break;
  }
  throw io_detail::os_error("create a temporary file for", path.string(), errno);
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path path) : path_(std::move(path)) {
  if (!path_.has_filename()) {
    throw Error(cat("'", path_.string(), "' is not the name of a file"));
  }
  descriptor_ = create_temporary(path_, temporary_);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  if (descriptor_ < 0) throw Error(cat("'", path_.string(), "' is already committed"));
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw io_detail::os_error("write", path_.string(), errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0) throw Error(cat("'", path_.string(), "' is already committed"));
  if (::fsync(descriptor_) != 0) throw io_detail::os_error("sync", path_.string(), errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) throw io_detail::os_error("close", path_.string(), errno);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    throw io_detail::os_error("replace", path_.string(), errno);
  }
  temporary_.clear();
  // The rename is durable only once the folder is on disk. Some file systems cannot sync a folder
  // (EINVAL); there is nothing more to do for those.
  const std::string folder = folder_of(path_).string();
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) throw io_detail::os_error("open", folder, errno);
  const int synced = ::fsync(directory);
  const int number = errno;
  ::close(directory);
  if (synced != 0 && number != EINVAL) throw io_detail::os_error("sync", folder, number);
}

void write_file_atomic(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file_atomic(const std::filesystem::path& path, std::string_view bytes) {
  write_file_atomic(path, std::as_bytes(std::span(bytes)));
}

}  // namespace saffron::inline sdk_v1
