#pragma once

#include <filesystem>

namespace saffron::host {

// On SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: says on stderr which component was at work and
// where the run's directory is, then lets the signal take its course (core dump, sanitizer report,
// exit status). Call again to change the directory; an empty one says nothing of a run.
void install_crash_handler(const std::filesystem::path& run_directory);

// While it lives, whoever ends this process by exit() or quick_exit() is named on stderr as one that
// crashes is, and the process ends with `code`. A fork may end as it likes.
class ExitGuard {
 public:
  explicit ExitGuard(int code);
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;
};

}  // namespace saffron::host
