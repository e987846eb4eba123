#include "testing/elsewhere.h"

#include "testing/expect.h"

#include <saffron/error.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace saffron::testing {
namespace {

constexpr int kPollMilliseconds = 5;
// Of texts that differ: what is shown before the difference, and in all.
constexpr std::size_t kBefore = 60, kLongest = 160;

// A number that says what a tensor holds (FNV-1a, 64 bits, of its bytes).
std::uint64_t print_of(const at::Tensor& tensor) {
  const at::Tensor x = tensor.detach().cpu().contiguous();
  const auto* bytes = static_cast<const unsigned char*>(x.const_data_ptr());
  std::uint64_t out = 14695981039346656037ULL;
  for (std::size_t i = 0; i < x.nbytes(); ++i) out = (out ^ bytes[i]) * 1099511628211ULL;
  return out;
}

// What a child writes. Its end is waited for, not the pipe's: processes that it leaves behind hold
// the pipe open.
bool read_until_it_ends(pid_t child, int from, std::string& text, int& status) {
  std::array<char, 4096> chunk{};
  for (bool ended = false;;) {
    pollfd ready{from, POLLIN, 0};
    if (::poll(&ready, 1, ended ? 0 : kPollMilliseconds) > 0) {
      const ssize_t read = ::read(from, chunk.data(), chunk.size());
      if (read > 0) text.append(chunk.data(), static_cast<std::size_t>(read));
      if (read > 0) continue;
    }
    if (ended) return true;
    const pid_t got = ::waitpid(child, &status, ready.revents == 0 ? WNOHANG : 0);
    if (got == -1) return false;
    ended = got == child;
  }
}

}  // namespace

std::string printed(const Observed& seen) {
  std::string out;
  for (const auto& [name, text] : seen.texts) out += cat(name, ": ", text, '\n');
  for (const auto& [name, tensor] : seen.tensors) {
    out += cat(name, ": ", describe(tensor), ' ');
    out += tensor.numel() == 1 && tensor.is_floating_point() ? cat(tensor.item<double>(), ", ")
                                                             : std::string();
    out += cat("print ", print_of(tensor), '\n');
  }
  return out;
}

std::string first_difference(const std::string& a, const std::string& b) {
  const auto at = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const std::size_t line = at == 0 ? 0 : a.rfind('\n', at - 1) + 1;
  const std::size_t begin = at - line > kBefore ? at - kBefore : line;
  const auto shown = [&](const std::string& of) {
    if (begin >= of.size()) return std::string();
    const std::size_t length = std::min(of.find('\n', begin), of.size()) - begin;
    return cat(begin > line ? "..." : "", of.substr(begin, std::min(length, kLongest)),
               length > kLongest ? "..." : "");
  };
  return cat('\'', shown(a), "' and '", shown(b), '\'');
}

std::optional<std::string> elsewhere(const std::function<std::string()>& f) {
  if (threads() > 1) return std::nullopt;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::string text;
    try {
      if (::getppid() == parent) text = f();
    } catch (const std::exception& error) {
      text = cat("threw: ", words_of(error));
    } catch (...) {
      text = "threw something";
    }
    for (std::size_t done = 0; done < text.size();) {
      const ssize_t wrote = ::write(ends[1], text.data() + done, text.size() - done);
      if (wrote <= 0) break;
      done += static_cast<std::size_t>(wrote);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string text;
  int status = 0;
  const bool ended = child > 0 && read_until_it_ends(child, ends[0], text, status);
  ::close(ends[0]);
  if (!ended) return std::nullopt;
  if (!WIFEXITED(status)) text = "ended by a crash";
  return text;
}

}  // namespace saffron::testing
