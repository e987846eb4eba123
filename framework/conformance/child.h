#pragma once

#include "framework/loader/process.h"
#include "framework/loader/sandbox.h"

#include <saffron/testing/checks.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

// Checks in child processes.

namespace saffron::host {

struct Ran {
  testing::Verdict verdict;
  std::string printed;  // to standard output, the beginning of it
  double seconds = 0;
  bool timed_out = false;
  std::size_t left_behind = 0;  // processes that were still there after it
};

using Work = std::function<testing::Verdict()>;

// In this process, for a debugger.
[[nodiscard]] Ran run_here(const Work& work);

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

// What one child may take.
struct ChildLimits {
  std::chrono::milliseconds timeout{60'000};
  std::uint64_t memory = 0;  // bytes; 0 = usual_memory()
};

// 4 GiB, or half of what the machine has where that is less.
[[nodiscard]] std::uint64_t usual_memory();

// Runs one child after the other. Nothing of any of them is left when it has run: no process, even
// of another session, and in the end no temporary file.
class Children {
 public:
  explicit Children(const ChildLimits& limits);
  // In a fork: whatever becomes of it is a verdict. Throws Error (cancelled) as soon as somebody
  // interrupts this program.
  [[nodiscard]] Ran run(const Work& work) const;
  // The same, of a fork that then ends by exit(), as a program does: static objects are destroyed,
  // and what asked for it with atexit() is called.
  [[nodiscard]] Ran run_to_its_end(const Work& work) const;

 private:
  // `end` is called once the answer is sent.
  [[nodiscard]] ChildResult forked(const Work& work, void (*end)()) const;

  ChildLimits limits_;
  Scratch scratch_;
  Orphans orphans_;  // they may write there: ended first
};

}  // namespace saffron::host
