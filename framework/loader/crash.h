#pragma once

#include <filesystem>

namespace saffron::host {

// On SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT: says on stderr which component was at work and
// where the run's directory is, then lets the signal take its course (core dump, sanitizer report,
// exit status). Call again to change the directory; an empty one says nothing of a run.
void install_crash_handler(const std::filesystem::path& run_directory);

}  // namespace saffron::host
