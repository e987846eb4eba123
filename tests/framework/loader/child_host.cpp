#include "framework/loader/crash.h"
#include "framework/loader/guard.h"
#include "framework/loader/inspect.h"
#include "framework/loader/sandbox.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

// A small host program, as `saffron` is one: what the tests run as a child process.

namespace {

using saffron::host::guard;
using saffron::host::Place;

// Leaves a process behind that holds the pipes open, and writes its id to a file.
int leave_grandchild(const std::string& file) {
  const pid_t id = ::fork();
  if (id == 0) {
    for (;;) ::pause();
  }
  std::ofstream(file) << id;
  return 0;
}

// Leaves one that has a session of its own and writes for ever.
int leave_writer(const std::string& file) {
  const pid_t id = ::fork();
  if (id == 0) {
    ::setsid();
    const std::string block(4096, 'x');
    for (;;) static_cast<void>(!::write(1, block.data(), block.size()));
  }
  std::ofstream(file) << id;
  return 0;
}

int take_memory() {
  constexpr std::size_t kBlock = std::size_t{1} << 20;
  static std::vector<char*> blocks;
  for (;;) {
    blocks.push_back(static_cast<char*>(std::malloc(kBlock)));
    if (blocks.back() != nullptr) std::memset(blocks.back(), 1, kBlock);
  }
}

// Reserves a terabyte, as CUDA and sanitizers do, and stays long enough to be looked at.
int reserve_memory() {
  void* at = ::mmap(nullptr, std::size_t{1} << 40, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ::usleep(200'000);
  return at == MAP_FAILED ? 1 : 0;
}

int list_files() {
  constexpr int kMost = 64;
  std::string open;
  for (int i = 0; i < kMost; ++i) {
    if (::fcntl(i, F_GETFD) != -1) open += std::to_string(i) + ' ';
  }
  saffron::host::send_result(open);
  return 0;
}

int crash_in_component(const std::string& directory) {
  saffron::host::install_crash_handler(directory);
  const Place place("regularizer hoyer", "train.all.regularizer.hoyer");
  guard(place, [] { ::raise(SIGSEGV); });
  return 0;
}

int exit_in_component(const std::string& way) {
  saffron::host::install_crash_handler("runs/quick-0a1b");
  {
    const saffron::host::ExitGuard until_here(4);
    const Place place("regularizer hoyer", "train.all.regularizer.hoyer");
    if (way == "exit") guard(place, [] { std::exit(0); });
    if (way == "quick_exit") guard(place, [] { std::quick_exit(0); });
    if (way == "fork") {
      const pid_t id = ::fork();
      if (id == 0) std::exit(0);
      int status = 0;
      ::waitpid(id, &status, 0);
      return WEXITSTATUS(status);
    }
  }
  std::exit(0);
}

int crash_on_worker() {
  saffron::host::install_crash_handler("");
  const Place place("sae topk", "sae.student");
  guard(place, [] { std::thread([] { std::abort(); }).join(); });
  return 0;
}

int overflow(int depth) {
  volatile char ballast[4096];
  ballast[0] = static_cast<char>(depth);
  return depth == 0 ? ballast[0] : overflow(depth + 1) + ballast[0];
}

int crash_by_overflow() {
  saffron::host::install_crash_handler("");
  const rlimit small{1u << 20, 1u << 20};
  ::setrlimit(RLIMIT_STACK, &small);
  const Place place("sae deep");
  return guard(place, [] { return overflow(1); });
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) return 64;
  const std::string& command = arguments[0];
  if (command == saffron::host::kInspectCommand) {
    return saffron::host::inspect_child({arguments.begin() + 1, arguments.end()});
  }
  if (command == "exit") return std::stoi(arguments[1]);
  if (command == "print") {
    std::printf("to stdout\n");
    std::fprintf(stderr, "to stderr\n");
    saffron::host::send_result("the result");
    return 0;
  }
  if (command == "flood") {
    const std::string block(1u << 16, 'x');
    for (int i = 0; i < 64; ++i) std::fwrite(block.data(), 1, block.size(), stdout);
    return 0;
  }
  if (command == "raise") {
    ::raise(std::stoi(arguments[1]));
    return 0;
  }
  if (command == "hang") {
    std::printf("before the hang\n");
    std::fflush(stdout);
    for (;;) ::pause();
  }
  if (command == "grandchild") return leave_grandchild(arguments[1]);
  if (command == "writer") return leave_writer(arguments[1]);
  if (command == "memory") return take_memory();
  if (command == "reserve") return reserve_memory();
  if (command == "files") return list_files();
  if (command == "crash-in-component") return crash_in_component(arguments[1]);
  if (command == "exit-in-component") return exit_in_component(arguments[1]);
  if (command == "crash-on-worker") return crash_on_worker();
  if (command == "crash-by-overflow") return crash_by_overflow();
  return 64;
}
