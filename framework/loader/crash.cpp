#include "framework/loader/crash.h"

#include "framework/loader/guard.h"

#include <saffron/log.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>

namespace saffron::host {
namespace {

constexpr std::array kSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr std::array kNames{"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT"};
std::array<struct sigaction, kSignals.size()> previous;

// Read by the handler: replaced as a whole and never freed.
std::atomic<const char*> run_directory_text{""};

// Only write(2) from here to the end of handle(): memory and locks may be in any state.
void say(const char* text) {
  std::size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t n = ::write(STDERR_FILENO, text, left);
    if (n <= 0) return;
    text += n;
    left -= static_cast<std::size_t>(n);
  }
}

void say_component() {
  const char* own = ComponentScope::current();
  if (own[0] != '\0') {
    say(" in ");
    say(own);
    return;
  }
  const char* main = CallScope::of_main_thread();
  if (main[0] != '\0') {
    say(" on a worker thread, while the main thread was in ");
    say(main);
  } else {
    say(" outside any component");
  }
}

void say_run() {
  const char* directory = run_directory_text.load();
  if (directory[0] != '\0') {
    say("\n  run directory: ");
    say(directory);
    say("\n  help: the same command again resumes the run from its last checkpoint");
  }
  say("\n");
}

extern "C" void handle_crash(int signal) {
  const int error = errno;
  std::size_t i = 0;
  while (i + 1 < kSignals.size() && kSignals[i] != signal) ++i;
  say("\nsaffron: ");
  say(kNames[i]);
  say_component();
  say_run();
  ::sigaction(signal, &previous[i], nullptr);
  errno = error;
  ::raise(signal);  // delivered when this handler returns
}

std::atomic<pid_t> guarded{0};  // the process that must not end; 0 = it may
std::atomic<int> guarded_code{0};

extern "C" void handle_exit() {
  if (guarded.load() != ::getpid()) return;
  say("\nsaffron: the process was ended by exit()");
  say_component();
  say(": a plugin throws saffron::Error instead");
  say_run();
  ::_exit(guarded_code.load());
}

// A handler needs a stack of its own to report that the stack has overflowed.
void install_stack() {
  static char* const stack = static_cast<char*>(std::malloc(std::size_t{1} << 16));
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = std::size_t{1} << 16;
  if (stack != nullptr) ::sigaltstack(&alternative, nullptr);
}

}  // namespace

void install_crash_handler(const std::filesystem::path& run_directory) {
  // A crash may come at any moment, and while the process ends too: no text is ever freed, and all
  // stay reachable.
  static std::deque<std::string>& texts = *new std::deque<std::string>;
  run_directory_text.store(texts.emplace_back(run_directory.string()).c_str());
  static const bool installed = [] {
    install_stack();
    struct sigaction action{};
    action.sa_handler = handle_crash;
    action.sa_flags = SA_ONSTACK;
    ::sigemptyset(&action.sa_mask);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], &action, &previous[i]);
    }
    return true;
  }();
  static_cast<void>(installed);
}

ExitGuard::ExitGuard(int code) {
  static const bool installed =
      std::atexit(handle_exit) == 0 && std::at_quick_exit(handle_exit) == 0;
  static_cast<void>(installed);
  guarded_code.store(code);
  guarded.store(::getpid());
}

ExitGuard::~ExitGuard() { guarded.store(0); }

}  // namespace saffron::host
