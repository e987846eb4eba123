#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

// Looking at plugins happens in another process, so that a crash or a hang there is a result.
//
// The child is this program started anew with other arguments: after a fork, LibTorch's threads and
// every lock that they held are missing. Only a process that has started no thread may go on in a
// fork (run_forked): a tenth of the time, where hundreds of children are wanted.

namespace saffron::host {

class Orphans;

struct ChildOptions {
  std::string program = "/proc/self/exe";
  std::chrono::milliseconds timeout{20'000};
  std::size_t output_limit = 1u << 20;  // bytes kept of each stream; the rest is dropped
  std::uint64_t memory_limit = 0;       // bytes of its own that it may hold; 0 = any number
  bool (*stop)() = nullptr;             // asked while it runs: true ends it at once
  const Orphans* orphans = nullptr;     // ended with it, wherever they went
};

struct ChildResult {
  enum class Outcome : std::uint8_t { passed, failed, crashed, timed_out, too_large, stopped };
  Outcome outcome = Outcome::failed;
  int exit_code = 0;        // of failed
  std::string signal_name;  // of crashed: "SIGSEGV"
  std::string result;       // what it sent with send_result
  std::string output;       // what it printed, to stdout and stderr
  double seconds = 0;
  std::uint64_t memory_limit = 0;  // of too_large
  std::size_t left_behind = 0;  // processes that were still there after it, where orphans are ended

  // "", "exited with code 3", "crashed with SIGSEGV (...)", "gave no answer within 20 s", "took more
  // than 4 GiB of memory", "was stopped".
  [[nodiscard]] std::string what() const;
};

// Runs `program` with these arguments and waits. On time-out, or when it takes too much memory, the
// child and its process group are killed. The child dies with this process, and has none of its
// files open. Throws Error (io) when it cannot be started.
[[nodiscard]] ChildResult run_in_child(const std::vector<std::string>& arguments,
                                       const ChildOptions& options = {});

// Runs `work` in a fork of this process and waits; it ends there, with code 0, when work returns.
// Error (internal) when this process has more than one thread.
[[nodiscard]] ChildResult run_forked(const std::function<void()>& work,
                                     const ChildOptions& options = {});

// In such a child: sends bytes to the parent on a channel of their own, so that what plugins print
// does not mix with them. False when this process is no such child.
bool send_result(std::string_view bytes);

// "SIGSEGV" for 11; "signal 77" for one without a name.
[[nodiscard]] std::string signal_name(int signal);

}  // namespace saffron::host
