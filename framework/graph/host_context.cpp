#include "framework/graph/host_context.h"

#include <saffron/error.h>

#include <atomic>
#include <csignal>

namespace saffron::host {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_interrupt(int signal) {
  if (stop_requested.exchange(true)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
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

void catch_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGXFSZ,
              SIG_IGN);  // a file over the limit of `ulimit -f` is an error like a full disk
}

bool interrupted() { return stop_requested.load(); }

void throw_if_interrupted() {
  if (!interrupted()) return;
  throw Error(ErrorKind::cancelled, "stopped on request")
      .with_help("the same command again resumes the run");
}

}  // namespace saffron::host
