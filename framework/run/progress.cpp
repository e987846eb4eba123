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

Progress::Progress(Style style)
    : terminal_(style == Style::terminal ||
                (style == Style::automatic && ::isatty(STDERR_FILENO) == 1)),
      silent_(style == Style::silent) {}

Progress::~Progress() { end(); }

void Progress::begin(std::string_view stage) {
  end();
  stage_ = stage;
  detail_.clear();
  done_ = total_ = 0;
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
    if (done_ > 0 && done_ < total_) {
      out << "  " << duration_text(seconds * (1 - share) / share) << " left";
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
  done_ = done;
  total_ = total;
  detail_ = detail;
  if (due()) show(compose());
}

void Progress::beside(std::string_view what, std::int64_t done, std::int64_t total) {
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
  if (open_) std::fprintf(stderr, "\r\033[K");
  open_ = false;
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void Progress::end() {
  if (open_) std::fprintf(stderr, "\r\033[K");
  open_ = false;
}

}  // namespace saffron::host
