#include "framework/run/metrics_log.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <fcntl.h>
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

std::vector<Value> parse(std::string_view text, const std::filesystem::path& file) {
  std::vector<Value> records;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    try {
      records.push_back(from_json(text.substr(0, end), ""));
    } catch (const Error& error) {
      throw Error(ErrorKind::data,
                  cat("line ", records.size() + 1, " is damaged: ", error.message()))
          .within(file.string())
          .with_help("start over with --fresh (what is there is kept aside)");
    }
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
  }
  return records;
}

}  // namespace

MetricsLog::MetricsLog(std::filesystem::path file) : file_(std::move(file)) { open(); }

void MetricsLog::open() {
  descriptor_ = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(file_, "cannot open");
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
}

std::vector<Value> MetricsLog::records() const {
  std::string text = read_text(file_);
  text.resize(text.rfind('\n') + 1);
  return parse(text, file_);
}

void MetricsLog::replace(const std::vector<Value>& records) {
  std::string text;
  for (const Value& record : records) text += to_json(record) + "\n";
  write_file_atomic(file_, text);
  ::close(descriptor_);
  open();
}

void MetricsLog::synchronise() const {
  if (::fsync(descriptor_) != 0) fail(file_, "cannot synchronise");
}

std::vector<Value> read_metrics(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return {};
  return parse(read_text(file), file);
}

}  // namespace saffron::host
