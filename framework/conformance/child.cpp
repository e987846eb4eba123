#include "framework/conformance/child.h"

#include "framework/loader/sandbox.h"

#include <saffron/error.h>
#include <saffron/value.h>

#include <ATen/Parallel.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace saffron::host {
namespace {

using testing::Outcome;

constexpr std::size_t kLongestMessage = 8192;
constexpr std::size_t kShownOutput = 200;  // characters of what a plugin printed

// What a plugin prints while this lives.
class StdoutCapture {
 public:
  StdoutCapture() : file_(::memfd_create("stdout", MFD_CLOEXEC)), kept_(::dup(1)) {
    if (file_ < 0 || kept_ < 0) throw Error(ErrorKind::io, "cannot capture standard output");
    std::fflush(stdout);
    std::cout.flush();
    ::dup2(file_, 1);
  }
  ~StdoutCapture() {
    ::dup2(kept_, 1);
    ::close(kept_);
    ::close(file_);
  }
  StdoutCapture(const StdoutCapture&) = delete;
  StdoutCapture& operator=(const StdoutCapture&) = delete;

  [[nodiscard]] std::string text() const {
    std::fflush(stdout);
    std::cout.flush();
    std::string out(kShownOutput, '\0');
    const ssize_t n = ::pread(file_, out.data(), out.size(), 0);
    out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return out;
  }

 private:
  int file_, kept_;
};

Value to_value(const Ran& ran) {
  Value out = Value::table();
  out.set("outcome", Value(static_cast<std::int64_t>(ran.verdict.outcome)));
  out.set("message", Value(ran.verdict.message.substr(0, kLongestMessage)));
  out.set("printed", Value(ran.printed));
  return out;
}

std::string last_lines(const std::string& output) {
  const std::size_t from = output.size() > kShownOutput ? output.size() - kShownOutput : 0;
  std::string text = output.substr(from);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "" : cat(": ", text);
}

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

}  // namespace

Ran run_here(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  Ran out;
  const StdoutCapture capture;
  try {
    out.verdict = work();
  } catch (const std::exception& error) {
    out.verdict = {Outcome::failed, error.what()};
  }
  out.printed = capture.text();
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return out;
}

Ran run_in_fork(const Work& work, std::chrono::milliseconds timeout) {
  ChildOptions options;
  options.timeout = timeout;
  const ChildResult child = run_forked(
      [&] {
        // What checks compute is small; more threads would wait for each other on a busy machine.
        at::set_num_threads(1);
        if (!send_result(to_json(to_value(run_here(work))))) ::_exit(1);
      },
      options);
  Ran out;
  out.seconds = child.seconds;
  if (child.outcome == ChildResult::Outcome::passed && !child.result.empty()) {
    read_answer(child.result, out);
    return out;
  }
  const bool ended = child.outcome == ChildResult::Outcome::passed ||
                     child.outcome == ChildResult::Outcome::failed;
  out.verdict = {Outcome::crashed, ended ? cat("ended the process itself, with code ",
                                               child.exit_code, ": a plugin must not call exit")
                                         : cat(child.what(), last_lines(child.output))};
  return out;
}

Scratch::Scratch() {
  std::string name =
      (std::filesystem::temp_directory_path() / "saffron-test-plugin-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw Error(ErrorKind::io, cat("cannot make a temporary folder such as ", name));
  }
  folder_ = name;
  const char* before = std::getenv("TMPDIR");
  if (before != nullptr) before_ = before;
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
