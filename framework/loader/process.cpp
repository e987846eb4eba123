#include "framework/loader/process.h"

#include <saffron/error.h>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace saffron::host {
namespace {

constexpr std::chrono::seconds kPatience{5};  // with processes that the kernel does not let die
constexpr int kPollMilliseconds = 5;

// /proc/ID/stat has the name, in parentheses and with any character in it, before the parent.
pid_t parent_of(pid_t id) {
  std::ifstream file(cat("/proc/", id, "/stat"));
  std::string text;
  std::getline(file, text, '\0');
  const std::size_t end = text.rfind(')');  // "12 (a name) S 7 ..."
  constexpr std::size_t kBeforeParent = 4;
  if (end == std::string::npos || end + kBeforeParent >= text.size()) return -1;
  pid_t parent = -1;
  std::from_chars(text.data() + end + kBeforeParent, text.data() + text.size(), parent);
  return parent;
}

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

}  // namespace

std::uint64_t memory_of(pid_t id) {
  std::ifstream file(cat("/proc/", id, "/status"));
  std::uint64_t kibibytes = 0;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("RssAnon:") && !line.starts_with("RssShmem:") &&
        !line.starts_with("VmSwap:")) {
      continue;
    }
    const std::size_t digit = line.find_first_of("0123456789");
    std::uint64_t number = 0;
    if (digit != std::string::npos) {
      std::from_chars(line.data() + digit, line.data() + line.size(), number);
    }
    kibibytes += number;
  }
  return kibibytes * 1024;
}

std::ptrdiff_t threads_of_this() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

std::vector<pid_t> children_of(pid_t id) {
  std::vector<pid_t> out;
  std::error_code error_code;
  std::filesystem::directory_iterator entry("/proc", error_code);
  for (; !error_code && entry != std::filesystem::directory_iterator();
       entry.increment(error_code)) {
    const std::string name = entry->path().filename().string();
    pid_t other = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), other);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (parent_of(other) == id) out.push_back(other);
  }
  return out;
}

Orphans::Orphans() {
  ::prctl(PR_GET_CHILD_SUBREAPER, &before_);
  if (has_children()) {
    for (const pid_t id : children_of(::getpid())) others_.insert(id);
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Orphans::~Orphans() {
  end_all();
  ::prctl(PR_SET_CHILD_SUBREAPER, before_);
}

// The children of one that dies come to this process: again, until there are none.
std::size_t Orphans::end_all() const {
  std::set<pid_t> ended;
  const auto last = std::chrono::steady_clock::now() + kPatience;
  while (has_children() && std::chrono::steady_clock::now() < last) {
    bool any = false;
    for (const pid_t id : children_of(::getpid())) {
      if (others_.contains(id)) continue;
      any = true;
      ended.insert(id);
      ::kill(id, SIGKILL);
      ::waitpid(id, nullptr, WNOHANG);
    }
    if (!any) break;
    ::poll(nullptr, 0, kPollMilliseconds);
  }
  return ended.size();
}

}  // namespace saffron::host
