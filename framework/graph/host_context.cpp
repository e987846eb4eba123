#include "framework/graph/host_context.h"

#include <saffron/error.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>

#include <unistd.h>

namespace saffron::host {
namespace {

std::atomic<std::int64_t> stop_requested_at{0};  // milliseconds; 0 = not requested
std::atomic<const char*> answer{nullptr};
static_assert(std::atomic<std::int64_t>::is_always_lock_free &&
              std::atomic<const char*>::is_always_lock_free);

// `timeout` signals its command and then its group, to which that belongs: one request.
constexpr std::int64_t kOneRequest = 100;

extern "C" void on_interrupt(int signal) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t at = 1 + std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
  std::int64_t before = 0;
  if (stop_requested_at.compare_exchange_strong(before, at)) {
    const int kept = errno;
    const char* said = answer.load();
    if (said != nullptr) (void)!::write(STDERR_FILENO, said, std::strlen(said));
    errno = kept;
    return;
  }
  if (at - before < kOneRequest) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

Random node_random(std::int64_t recipe_seed, std::int64_t node_seed, std::string_view purpose) {
  return Random(static_cast<std::uint64_t>(recipe_seed))
      .fork(static_cast<std::uint64_t>(node_seed))
      .fork(purpose);
}

NodeContext::NodeContext(const HostSettings& host, std::string node, std::int64_t seed)
    : host_(host), node_(std::move(node)), seed_(seed) {}

Random NodeContext::random(std::string_view purpose) const {
  return node_random(host_.seed, seed_, purpose);
}

std::string NodeContext::artifacts() const {
  const std::filesystem::path folder = host_.artifacts / node_;
  std::filesystem::create_directories(folder);
  return folder.string();
}

bool NodeContext::cancelled() const { return interrupted(); }

void NodeContext::progress(std::string_view what, std::int64_t done, std::int64_t total) const {
  if (host_.progress) host_.progress(what, done, total);
}

void catch_interrupts(const char* said) {
  answer = said;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  // Who started it with nohup wants it to go on.
  if (std::signal(SIGHUP, on_interrupt) == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGXFSZ,
              SIG_IGN);  // a file over the limit of `ulimit -f` is an error like a full disk
}

bool interrupted() { return stop_requested_at.load() != 0; }

void throw_if_interrupted() {
  if (!interrupted()) return;
  throw Error(ErrorKind::cancelled, "stopped on request")
      .with_help("the same command again resumes the run");
}

}  // namespace saffron::host
