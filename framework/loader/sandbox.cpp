#include "framework/loader/sandbox.h"

#include "framework/loader/process.h"

#include <saffron/error.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>

namespace saffron::host {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kResultDescriptor = 3;
constexpr int kDescriptors = 1024;  // closed one by one where the kernel has no close_range
constexpr int kPollMilliseconds = 5;
constexpr double kGiB = 1u << 30;
constexpr std::chrono::seconds kLastWords{1};  // for reading what is left in the pipes

Error os_error(const char* what) {
  return Error(ErrorKind::io, cat("cannot ", what, ": ", std::strerror(errno)));
}

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) throw os_error("make a pipe");
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int read_end() const { return ends_[0]; }
  [[nodiscard]] int write_end() const { return ends_[1]; }
  void close_read_end() { close_end(0); }
  void close_write_end() { close_end(1); }

 private:
  void close_end(std::size_t i) {
    if (ends_[i] >= 0) ::close(ends_[i]);
    ends_[i] = -1;
  }
  std::array<int, 2> ends_{-1, -1};
};

// Between fork and exec only async-signal-safe functions may be called.
void become_child(int output, int result, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  sigset_t empty;
  ::sigemptyset(&empty);
  ::sigprocmask(SIG_SETMASK, &empty, nullptr);
  const int nothing = ::open("/dev/null", O_RDONLY);
  // `result` may have the number of a standard stream, and the reverse: away with it first.
  const int moved_result = ::fcntl(result, F_DUPFD, 10);
  const int moved_output = ::fcntl(output, F_DUPFD, 10);
  if (nothing < 0 || moved_result < 0 || moved_output < 0 || ::dup2(nothing, 0) < 0 ||
      ::dup2(moved_output, 1) < 0 || ::dup2(moved_output, 2) < 0 ||
      ::dup2(moved_result, kResultDescriptor) < 0) {
    ::_exit(127);
  }
  // Nothing else of the parent's: no pipe of its other children, no end of these that it reads.
  if (::close_range(kResultDescriptor + 1, ~0U, 0) != 0) {
    for (int i = kResultDescriptor + 1; i < kDescriptors; ++i) ::close(i);
  }
}

// Takes what is there to read; closes the pipe at its end.
void drain(Pipe& pipe, std::string& out, std::size_t limit) {
  char buffer[4096];
  const ssize_t n = ::read(pipe.read_end(), buffer, sizeof buffer);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n <= 0) return pipe.close_read_end();
  if (out.size() < limit) {
    out.append(buffer, std::min(static_cast<std::size_t>(n), limit - out.size()));
  }
}

class Child {
 public:
  // `body` is what the child does; it does not return.
  template <class Body>
  Child(const ChildOptions& options, const Body& body) : options_(options) {
    const pid_t parent = ::getpid();
    id_ = ::fork();
    if (id_ < 0) throw os_error("start another process");
    if (id_ == 0) {
      become_child(output_.write_end(), result_.write_end(), parent);
      body();
      ::_exit(127);
    }
    ::setpgid(id_, id_);  // whichever of the two comes first
    output_.close_write_end();
    result_.close_write_end();
  }
  ~Child() { kill_group(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  ChildResult wait() {
    const auto start = Clock::now();
    ChildResult out;
    int status = 0;
    std::optional<ChildResult::Outcome> given_up;
    while (!reaped_ && !given_up) {
      read_some(out, kPollMilliseconds);
      reaped_ = ::waitpid(id_, &status, WNOHANG) == id_;
      if (!reaped_) given_up = reason_to_give_up(start);
    }
    if (given_up) {
      out.outcome = *given_up;
      out.memory_limit = options_.memory_limit;
    } else {
      judge(status, out);
    }
    kill_group();
    if (options_.orphans != nullptr) out.left_behind = options_.orphans->end_all();
    // What they wrote last is still in the pipes; who left the group may go on writing for ever.
    const auto last = Clock::now() + kLastWords;
    while (read_some(out, 0) && Clock::now() < last) {
    }
    out.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return out;
  }

 private:
  [[nodiscard]] std::optional<ChildResult::Outcome> reason_to_give_up(
      Clock::time_point start) const {
    using Outcome = ChildResult::Outcome;
    if (options_.stop != nullptr && options_.stop()) return Outcome::stopped;
    if (Clock::now() - start >= options_.timeout) return Outcome::timed_out;
    const bool limited = options_.memory_limit > 0;
    if (limited && memory_of(id_) > options_.memory_limit) return Outcome::too_large;
    return std::nullopt;
  }

  // False when nothing is there to read within `milliseconds`.
  bool read_some(ChildResult& out, int milliseconds) {
    std::array<pollfd, 2> ready{{{output_.read_end(), POLLIN, 0}, {result_.read_end(), POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), milliseconds) <= 0) return false;
    if (ready[0].revents != 0) drain(output_, out.output, options_.output_limit);
    if (ready[1].revents != 0) drain(result_, out.result, options_.output_limit);
    return true;
  }

  static void judge(int status, ChildResult& out) {
    if (WIFSIGNALED(status)) {
      out.outcome = ChildResult::Outcome::crashed;
      out.signal_name = signal_name(WTERMSIG(status));
    } else {
      out.exit_code = WEXITSTATUS(status);
      out.outcome =
          out.exit_code == 0 ? ChildResult::Outcome::passed : ChildResult::Outcome::failed;
    }
  }

  void kill_group() {
    if (id_ <= 0) return;
    ::kill(-id_, SIGKILL);
    if (!reaped_) ::waitpid(id_, nullptr, 0);
    id_ = -1;
  }

  const ChildOptions& options_;
  Pipe output_, result_;
  pid_t id_ = -1;
  bool reaped_ = false;
};

}  // namespace

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? cat("signal ", signal) : cat("SIG", name);
}

std::string ChildResult::what() const {
  switch (outcome) {
    case Outcome::passed: return {};
    case Outcome::failed: return cat("exited with code ", exit_code);
    case Outcome::crashed: return cat("crashed with ", signal_name);
    case Outcome::timed_out:
      return cat("gave no answer within ", std::round(seconds * 10) / 10, " s");
    case Outcome::too_large:
      return cat("took more than ",
                 std::round(static_cast<double>(memory_limit) / kGiB * 100) / 100,
                 " GiB of memory");
    case Outcome::stopped: return "was stopped";
  }
  return {};
}

ChildResult run_in_child(const std::vector<std::string>& arguments, const ChildOptions& options) {
  std::vector<char*> argv{const_cast<char*>(options.program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return Child(options, [&] { ::execv(argv[0], argv.data()); }).wait();
}

ChildResult run_forked(const std::function<void()>& work, const ChildOptions& options) {
  if (threads_of_this() > 1) {
    throw Error(ErrorKind::internal, "a process with threads cannot go on in a fork");
  }
  std::fflush(nullptr);  // what is buffered would be written twice
  Child child(options, [&] {
    work();
    std::cout.flush();
    std::fflush(nullptr);
    ::_exit(0);
  });
  return child.wait();
}

bool send_result(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(kResultDescriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace saffron::host
