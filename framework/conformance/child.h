#pragma once

#include <saffron/testing/checks.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

// One check in a child process.

namespace saffron::host {

struct Ran {
  testing::Verdict verdict;
  std::string printed;  // to standard output, the beginning of it
  double seconds = 0;
};

using Work = std::function<testing::Verdict()>;

// In this process, for a debugger.
[[nodiscard]] Ran run_here(const Work& work);
// In a fork: whatever becomes of it is a verdict.
[[nodiscard]] Ran run_in_fork(const Work& work, std::chrono::milliseconds timeout);

// The children's temporary folder: what a crash or a time-out leaves there goes with it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  std::filesystem::path folder_;
  std::optional<std::string> before_;
};

}  // namespace saffron::host
