#include "testing/checks/again.h"

#include "testing/expect.h"
#include "testing/uses.h"

#include <saffron/error.h>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>

namespace saffron::testing {
namespace {

constexpr std::int64_t kOtherRows = 7;

[[noreturn]] void see(const char* check) { skip(cat("see ", check)); }

// What an instance that was used says of `next`, beside a fresh one that takes over what the host
// restores from a checkpoint of it.
struct Next {
  std::string threw, differs;
};

// No instance is used after another one was made: that is for two-instances-independent to look at.
Next after_a_use(const Subject& subject, const Variant& next) {
  Next out;
  const auto straight = fresh(subject);
  static_cast<void>(use(subject, *straight));
  Observed seen;
  try {
    seen = use(subject, *straight, next);
  } catch (const Finding&) {
    throw;
  } catch (const std::exception& error) {
    out.threw = error.what();
  }
  const auto stopped = fresh(subject);
  static_cast<void>(use(subject, *stopped));
  const auto resumed = fresh(subject);
  resumed->restore(*stopped);
  const Observed expected = use(subject, *resumed, next);
  if (out.threw.empty()) out.differs = difference(expected, seen);
  return out;
}

// Whether earlier uses change what it says, of a kind whose answers depend on the question alone.
bool remembers(const Subject& subject, const Variant& next) {
  const Observed expected = use_fresh(subject, next);
  const auto used = fresh(subject);
  static_cast<void>(use(subject, *used));
  return !difference(expected, use(subject, *used, next)).empty();
}

bool is_trained(const Subject& subject) {
  const std::string kind = subject.kind();
  return kind == "regularizer" || kind == "objective" || kind == "sae";
}

}  // namespace

Verdict state_roundtrip(const Subject& subject) {
  const KindDriver& kind = driver_of(subject);
  const bool own = std::strcmp(kind.memory, kStateRoundtrip) == 0;
  const bool stateful = fresh(subject)->stateful() != nullptr;
  if (!stateful && !own) skip(cat("is not Stateful: see ", kind.memory));
  need_reproducible(subject);
  const Variant next{.data = kOtherData};
  const Next found = after_a_use(subject, next);
  if (!found.threw.empty()) see(kind.again);
  if (found.differs.empty()) return {};
  if (stateful) {
    if (std::strcmp(kind.again, kind.memory) == 0 && remembers(subject, next)) see(kind.memory);
    fail(cat("after save and load into a new instance the next use differs: ", found.differs));
  }
  fail(cat("an earlier use changes the next one: ", found.differs,
           is_trained(subject)
               ? "; no checkpoint keeps what it left behind: implement saffron::Stateful"
               : "; keep nothing from one use to the next, or implement saffron::Stateful"));
}

Verdict used_again(const Subject& subject) {
  const KindDriver& kind = driver_of(subject);
  if (std::strcmp(kind.again, kUsedAgain) != 0) see(kind.again);
  need_reproducible(subject);
  const auto next_of = [&](const Variant& next) {
    try {
      return after_a_use(subject, next);
    } catch (const Finding&) {
      throw;
    } catch (const std::exception&) {
      see(kStateRoundtrip);  // what is restored cannot be used
    }
  };
  const Next other = next_of({.data = kOtherData});
  if (!other.differs.empty()) {
    see(fresh(subject)->stateful() != nullptr ? kStateRoundtrip : kind.memory);
  }
  const Next same = next_of({});
  for (const Next* of : {&other, &same}) {
    if (!of->threw.empty()) fail(cat("used a second time, it throws: ", of->threw));
  }
  if (!same.differs.empty()) {
    fail(cat("given the same once more, it says something else: ", same.differs));
  }
  return {};
}

Verdict results_stay(const Subject& subject) {
  const KindDriver& kind = driver_of(subject);
  if (std::strcmp(kind.stays, kResultsStay) != 0) see(kind.stays);
  const auto driver = fresh(subject);
  const Observed first = use(subject, *driver);
  if (first.handed.empty()) skip("hands out no tensors");
  try {
    static_cast<void>(use(subject, *driver, {.data = kOtherData}));
  } catch (const Finding&) {
    throw;
  } catch (const std::exception&) {
    see(kind.again);
  }
  for (const auto& [name, tensor, copy] : first.handed) {
    if (identical(tensor, copy)) continue;
    fail(cat(name, ": a later use writes to what an earlier one returned (by ",
             distance(tensor, copy), "): return a tensor of its own each time"));
  }
  return {};
}

namespace {

// A number that says what a tensor holds (FNV-1a, 64 bits, of its bytes).
std::uint64_t print_of(const at::Tensor& tensor) {
  const at::Tensor x = tensor.detach().cpu().contiguous();
  const auto* bytes = static_cast<const unsigned char*>(x.const_data_ptr());
  std::uint64_t out = 14695981039346656037ULL;
  for (std::size_t i = 0; i < x.nbytes(); ++i) out = (out ^ bytes[i]) * 1099511628211ULL;
  return out;
}

// A line a result: equal texts are equal results.
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

// The first line in which two texts differ, of each.
std::string first_difference(const std::string& a, const std::string& b) {
  const auto at = static_cast<std::size_t>(
      std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const std::size_t begin = at == 0 ? 0 : a.rfind('\n', at - 1) + 1;
  const auto line = [&](const std::string& of) {
    return begin < of.size() ? of.substr(begin, of.find('\n', begin) - begin) : std::string();
  };
  return cat('\'', line(a), "' and '", line(b), '\'');
}

// What f returns, computed in a process of its own, or what it throws; nothing where there are
// threads, which a fork would lose.
std::optional<std::string> elsewhere(const std::function<std::string()>& f) {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  if (std::distance(threads, {}) > 1) return std::nullopt;
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return std::nullopt;
  const pid_t parent = ::getpid(), child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::string text;
    try {
      if (::getppid() == parent) text = f();
    } catch (const std::exception& error) {
      text = cat("threw: ", error.what());
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
  std::array<char, 4096> chunk{};
  for (ssize_t read = 0; child > 0 && (read = ::read(ends[0], chunk.data(), chunk.size())) > 0;) {
    text.append(chunk.data(), static_cast<std::size_t>(read));
  }
  ::close(ends[0]);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return std::nullopt;
  if (!WIFEXITED(status)) text = "ended by a crash";
  return text;
}

}  // namespace

Verdict two_instances_independent(const Subject& subject) {
  need_deterministic(subject);
  const bool rows = driver_of(subject).powers.rows;
  // What the first instance of a process leaves in a static is seen by all others alike: only in a
  // process where another came first does it show.
  const auto behind = elsewhere([&] {
    try {
      const Variant another{.data = 3, .rows = rows ? kOtherRows : Variant().rows};
      static_cast<void>(use_fresh(subject, another, {.seed = 2}));
    } catch (const std::exception&) {
      // Whether it takes that is not the question here.
    }
    return printed(use_fresh(subject));
  });
  need_reproducible(subject);
  const Variant first{}, second{.data = kOtherData};
  const auto alone = fresh(subject);
  const Observed alone_first = use(subject, *alone, first);
  if (behind && *behind != printed(alone_first)) {
    fail(cat("what it says depends on which instance came first in the process: ",
             first_difference(printed(alone_first), *behind)));
  }
  Observed alone_second;
  try {
    alone_second = use(subject, *alone, second);
  } catch (const Finding&) {
    throw;
  } catch (const std::exception&) {
    see(driver_of(subject).again);
  }
  const auto beside = fresh(subject), other = fresh(subject, {.seed = 2});
  const Observed beside_first = use(subject, *beside, first);
  static_cast<void>(use(subject, *other, {.data = 3}));
  std::string differs = difference(alone_first, beside_first);
  if (differs.empty()) differs = difference(alone_second, use(subject, *beside, second));
  if (!differs.empty()) fail(cat("another instance in the process changes its results: ", differs));
  return {};
}

}  // namespace saffron::testing
