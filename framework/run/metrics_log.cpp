#include "framework/run/metrics_log.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace saffron::host {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  throw Error(ErrorKind::io, cat(what, ": ", std::strerror(errno))).within(file.string());
}

}  // namespace

MetricsLog::MetricsLog(std::filesystem::path file) : file_(std::move(file)) {
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(file_, "cannot open");
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) fail(file_, "cannot read its size");
  length_ = status.st_size;
}

MetricsLog::~MetricsLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void MetricsLog::append(const Value& record) {
  const std::string line = to_json(record) + "\n";
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = ::write(descriptor_, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(file_, "cannot append");
    written += static_cast<std::size_t>(n);
  }
  length_ += static_cast<std::int64_t>(line.size());
}

void MetricsLog::cut(std::int64_t length) {
  if (length > length_) {
    throw Error(ErrorKind::data, cat("has ", length_, " bytes, its checkpoint speaks of ", length))
        .within(file_.string())
        .with_help("the file was changed; start over with --fresh");
  }
  if (::ftruncate(descriptor_, length) != 0) fail(file_, "cannot cut back");
  length_ = length;
}

void MetricsLog::synchronise() const {
  if (::fsync(descriptor_) != 0) fail(file_, "cannot synchronise");
}

std::vector<Value> read_metrics(const std::filesystem::path& file) {
  std::vector<Value> records;
  if (!std::filesystem::exists(file)) return records;
  const std::string text = read_text(file);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    try {
      records.push_back(from_json(rest.substr(0, end), ""));
    } catch (const Error& error) {
      throw Error(ErrorKind::data,
                  cat("line ", records.size() + 1, " is damaged: ", error.message()))
          .within(file.string());
    }
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  }
  return records;
}

}  // namespace saffron::host
