#include "framework/conformance/child.h"

#include "framework/graph/host_context.h"

#include <saffron/error.h>
#include <saffron/testing/stdout_capture.h>
#include <saffron/value.h>

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace saffron::host {
namespace {

using testing::Outcome;

constexpr std::size_t kLongestMessage = 8192;
constexpr std::size_t kShownOutput = 200;  // characters of what a plugin printed
constexpr int kUnheard = 121;              // exit code of a child whose answer could not be sent

Value to_value(const Ran& ran) {
  Value out = Value::table();
  out.set("outcome", Value(static_cast<std::int64_t>(ran.verdict.outcome)));
  out.set("message", Value(ran.verdict.message.substr(0, kLongestMessage)));
  out.set("printed", Value(ran.printed));
  return out;
}

// The end of what it printed, from the beginning of a line where there is one.
std::string last_lines(const std::string& output) {
  std::string text = output;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() > kShownOutput) {
    text.erase(0, text.size() - kShownOutput);
    const std::size_t line = text.find('\n');
    if (line != std::string::npos) text.erase(0, line);
  }
  text.erase(0, text.find_first_not_of('\n'));
  return text.empty() ? "" : cat(": ", text);
}

const char* way_out(const ChildResult& child) {
  switch (child.outcome) {
    case ChildResult::Outcome::timed_out: return " (--timeout SECONDS allows more)";
    case ChildResult::Outcome::too_large: return " (--memory GIB allows more)";
    default: return "";
  }
}

constexpr const char* kOrClosed = ", nor write to descriptors that are not its own";

Error stopped_on_request() { return Error(ErrorKind::cancelled, "stopped on request"); }

// What a child sent; a plugin may have written to its channel.
void read_answer(const std::string& answer, Ran& out) {
  try {
    const Value told = from_json(answer, "child");
    const std::int64_t outcome = told.at("outcome").as_int();
    if (outcome < 0 || outcome > static_cast<std::int64_t>(Outcome::warning))
      throw Error("outcome");
    out.verdict = {static_cast<Outcome>(outcome), told.at("message").as_string()};
    out.printed = told.at("printed").as_string();
  } catch (const Error&) {
    out.verdict = {Outcome::crashed, "its process gave an answer that cannot be read"};
  }
}

Ran judged(const ChildResult& child) {
  Ran out;
  out.seconds = child.seconds;
  out.timed_out = child.outcome == ChildResult::Outcome::timed_out;
  out.left_behind = child.left_behind;
  const bool ended = child.outcome == ChildResult::Outcome::passed ||
                     child.outcome == ChildResult::Outcome::failed;
  if (child.outcome == ChildResult::Outcome::passed && !child.result.empty()) {
    read_answer(child.result, out);
  } else if (ended && child.exit_code == kUnheard) {
    out.verdict = {
        Outcome::crashed,
        "its answer could not be sent: the plugin closed descriptors that are not its own"};
  } else if (ended) {
    out.verdict = {Outcome::crashed,
                   cat("ended the process itself, with code ", child.exit_code,
                       ": a plugin must not call exit", child.exit_code == 0 ? kOrClosed : "")};
  } else {
    out.verdict = {Outcome::crashed, cat(child.what(), way_out(child), last_lines(child.output))};
  }
  return out;
}

}  // namespace

Ran run_here(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  Ran out;
  const testing::StdoutCapture capture;
  try {
    out.verdict = work();
  } catch (const std::exception& error) {
    out.verdict = {Outcome::failed, error.what()};
  }
  out.printed = capture.text(kShownOutput);
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

std::uint64_t usual_memory() {
  constexpr std::uint64_t kMost = std::uint64_t{4} << 30;
  const auto pages = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_PHYS_PAGES)));
  const auto page = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_PAGESIZE)));
  const std::uint64_t half = pages * page / 2;
  return half == 0 ? kMost : std::min(kMost, half);
}

Children::Children(const ChildLimits& limits) : limits_(limits) {
  if (limits_.memory == 0) limits_.memory = usual_memory();
}

ChildResult Children::forked(const Work& work, void (*end)()) const {
  if (interrupted()) throw stopped_on_request();
  ChildOptions options;
  options.timeout = limits_.timeout;
  options.memory_limit = limits_.memory;
  options.stop = interrupted;
  options.orphans = &orphans_;
  const ChildResult child = run_forked(
      [&] {
        if (!send_result(to_json(to_value(run_here(work))))) ::_exit(kUnheard);
        end();
      },
      options);
  if (child.outcome == ChildResult::Outcome::stopped) throw stopped_on_request();
  return child;
}

Ran Children::run(const Work& work) const {
  return judged(forked(work, [] {}));
}

Ran Children::run_to_its_end(const Work& work) const {
  const ChildResult child = forked(work, [] { std::exit(0); });
  if (child.result.empty() || child.outcome == ChildResult::Outcome::passed) return judged(child);
  Ran out;
  out.seconds = child.seconds;
  out.verdict = {Outcome::failed,
                 cat("a program that has used it does not end well: it ", child.what(),
                     last_lines(child.output),
                     " (in the destructor of a static object, or in what atexit() calls)")};
  return out;
}

Scratch::Scratch() {
  const char* before = std::getenv("TMPDIR");
  if (before != nullptr) before_ = before;
  const std::filesystem::path place = before == nullptr ? "/tmp" : before;
  std::string name = (place / "saffron-test-plugin-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorKind::io, cat("cannot make a temporary folder in '", place.string(),
                                   "': ", std::generic_category().message(errno)))
        .with_help("the environment variable TMPDIR may name another place");
  }
  folder_ = name;
  ::setenv("TMPDIR", name.c_str(), 1);
}

Scratch::~Scratch() {
  if (before_) {
    ::setenv("TMPDIR", before_->c_str(), 1);
  } else {
    ::unsetenv("TMPDIR");
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace saffron::host
