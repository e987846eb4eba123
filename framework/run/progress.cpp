#include "framework/run/progress.h"

#include <saffron/error.h>

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <iomanip>

namespace saffron::host {
namespace {

constexpr std::chrono::milliseconds kTerminalInterval{100};
constexpr std::chrono::seconds kLineInterval{10};
constexpr int kBarWidth = 20;

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 100;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole < 60) return cat(whole, " s");
  std::ostringstream out;
  out << std::setfill('0');
  if (whole >= 3600) out << whole / 3600 << ":" << std::setw(2);
  out << whole / 60 % 60 << ":" << std::setw(2) << whole % 60;
  return out.str();
}

std::string count_text(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

Progress::Progress(Style style)
    : terminal_(style == Style::terminal ||
                (style == Style::automatic && ::isatty(STDERR_FILENO) == 1)),
      silent_(style == Style::silent) {}

Progress::~Progress() { end(); }

void Progress::begin(std::string_view stage, std::int64_t done) {
  const std::scoped_lock lock(mutex_);
  wipe();
  stage_ = stage;
  detail_.clear();
  from_ = done_ = done;
  total_ = 0;
  started_ = Clock::now();
  shown_ = {};
}

std::string Progress::compose() const {
  const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
  std::ostringstream out;
  out << stage_;
  if (total_ > 0) {
    const double share = static_cast<double>(done_) / static_cast<double>(total_);
    if (terminal_) {
      out << " [";
      for (int i = 0; i < kBarWidth; ++i) out << (i < share * kBarWidth ? '=' : ' ');
      out << "]";
    }
    out << " " << std::fixed << std::setprecision(0) << 100 * share << " %";
    if (done_ > from_ && done_ < total_) {
      const double rate = static_cast<double>(done_ - from_) / seconds;
      out << "  " << duration_text(static_cast<double>(total_ - done_) / rate) << " left";
    }
  }
  if (!detail_.empty()) out << "  " << detail_;
  return out.str();
}

// Whether the line is old enough to be shown anew.
bool Progress::due() {
  if (silent_) return false;
  const auto now = Clock::now();
  const auto interval = terminal_ ? kTerminalInterval : std::chrono::milliseconds(kLineInterval);
  if (shown_ != Clock::time_point{} && now - shown_ < interval) return false;
  shown_ = now;
  return true;
}

void Progress::update(std::int64_t done, std::int64_t total, std::string_view detail) {
  const std::scoped_lock lock(mutex_);
  done_ = done;
  total_ = total;
  detail_ = detail;
  if (due()) show(compose());
}

void Progress::beside(std::string_view what, std::int64_t done, std::int64_t total) {
  const std::scoped_lock lock(mutex_);
  if (!due()) return;
  const std::string share = total > 0 ? cat(" ", 100 * done / total, " %") : "";
  show(cat(compose(), "  (", what, share, ")"));
}

void Progress::show(const std::string& line) {
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  std::fprintf(stderr, "\r\033[K%s", line.substr(0, terminal_columns() - 1).c_str());
  std::fflush(stderr);
  open_ = true;
}

void Progress::say(std::string_view line) {
  if (silent_) return;
  const std::scoped_lock lock(mutex_);
  wipe();
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void Progress::end() {
  const std::scoped_lock lock(mutex_);
  wipe();
}

void Progress::wipe() {
  if (open_) std::fprintf(stderr, "\r\033[K");
  open_ = false;
}

}  // namespace saffron::host
