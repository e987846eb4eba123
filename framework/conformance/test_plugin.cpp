#include "framework/conformance/test_plugin.h"

#include "framework/conformance/library_checks.h"
#include "framework/loader/abi_rows.h"
#include "framework/loader/load.h"

#include <saffron/error.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string_view>

namespace saffron::host {
namespace {

using testing::Check;
using testing::Outcome;
using testing::Subject;
using testing::Verdict;

constexpr const char* kLibrary = "library";
constexpr std::size_t kLongestMessage = 8192;
constexpr std::size_t kShownOutput = 200;  // characters of what a plugin printed
constexpr int kScanAttempts = 3;           // a busy machine makes a quick scan slow

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

struct Ran {
  Verdict verdict;
  std::string printed;
  double seconds = 0;
};

using Work = std::function<Verdict()>;

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

Ran run_in_fork(const Work& work, std::chrono::milliseconds timeout) {
  ChildOptions options;
  options.timeout = timeout;
  const ChildResult child = run_forked(
      [&] {
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

const saffron_component& row_of(const PluginFile& file, const PluginFile::Component& component) {
  const saffron_plugin* plugin = open_plugin(file)(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR);
  if (plugin == nullptr) throw Error("the plugin's entry returns no descriptor");
  for (const saffron_component& row : components_of(*plugin)) {
    if (component.kind == row.kind && component.name == row.name) return row;
  }
  throw Error(cat("the plugin's descriptor has no ", component.kind, " '", component.name, "'"));
}

// The children's temporary folder: what a crash or a time-out leaves there goes with it.
class Scratch {
 public:
  Scratch() {
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
  ~Scratch() {
    if (before_) {
      ::setenv("TMPDIR", before_->c_str(), 1);
    } else {
      ::unsetenv("TMPDIR");
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

 private:
  std::filesystem::path folder_;
  std::optional<std::string> before_;
};

class Runner {
 public:
  Runner(const TestRequest& request, const std::function<void(const TestedCheck&)>& done)
      : request_(request), done_(done) {
    out_.file = read_plugin_file(request.file);
    check_tag(out_.file);
    out_.seed = request.settings.seed;
    out_.strictness = request.settings.strictness;
    check_names();
  }

  PluginTest run() {
    const bool usable = libraries();
    for (const PluginFile::Component& component : out_.file.components) {
      if (usable && wanted(component)) test(component);
    }
    if (recorded(kSilentStdout, 1)) silence(usable);
    if (out_.checks.empty()) throw Error("nothing in this plugin has these checks");
    return std::move(out_);
  }

 private:
  // Ids and components that somebody named must exist.
  void check_names() const {
    std::vector<std::string> ids = {kSilentStdout};
    for (const LibraryCheck& check : library_checks()) ids.emplace_back(check.id);
    for (const Check& check : testing::checks()) ids.emplace_back(check.id);
    const auto need = [](const std::string& word, const std::vector<std::string>& words,
                         const char* what) {
      if (std::find(words.begin(), words.end(), word) != words.end()) return;
      Error error(cat("there is no ", what, " '", word, "'"));
      const std::string near = nearest(word, words.data(), words.size());
      throw near.empty() ? error : error.with_help(cat("did you mean '", near, "'?"));
    };
    for (const std::string& id : request_.only) need(id, ids, "check");
    std::vector<std::string> components;
    for (const auto& c : out_.file.components) components.push_back(cat(c.kind, '/', c.name));
    for (const std::string& name : request_.components) need(name, components, "component");
    for (const auto& of : request_.settings.options) need(of.component, components, "component");
    for (const auto& off : request_.settings.off) {
      const std::size_t space = off.what.find(' ');
      need(off.what.substr(space == std::string::npos ? 0 : space + 1), ids, "check");
      if (space != std::string::npos) need(off.what.substr(0, space), components, "component");
    }
  }

  [[nodiscard]] bool recorded(std::string_view id, int strictness) const {
    if (request_.only.empty()) return strictness <= request_.settings.strictness;
    return std::find(request_.only.begin(), request_.only.end(), id) != request_.only.end();
  }
  // Whether anything prints shows only where everything runs.
  [[nodiscard]] bool wanted(std::string_view id, int strictness) const {
    const bool all = !request_.only.empty() && recorded(kSilentStdout, 1);
    return recorded(id, strictness) || (all && strictness <= request_.settings.strictness);
  }
  [[nodiscard]] bool wanted(const PluginFile::Component& component) const {
    const auto& names = request_.components;
    return names.empty() || std::find(names.begin(), names.end(),
                                      cat(component.kind, '/', component.name)) != names.end();
  }

  Ran ran(const Work& work) const {
    return request_.in_process ? run_here(work) : run_in_fork(work, request_.timeout);
  }

  Verdict record(const TestedCheck& check, int strictness, const std::string& printed) {
    if (!printed.empty() && printed_.empty()) {
      printed_ = cat(check.subject, " printed '", printed, "'");
    }
    if (recorded(check.id, strictness)) {
      out_.checks.push_back(check);
      if (done_) done_(check);
    }
    return check.verdict;
  }

  // The checks of the file. False when the host would not use it. A file that does not load is not
  // asked for more.
  bool libraries() {
    std::string dead;
    bool usable = true;
    for (const LibraryCheck& check : library_checks()) {
      if (!wanted(check.id, check.strictness)) continue;
      if (!dead.empty()) {
        record({kLibrary, check.id, check.sentence, {Outcome::skipped, cat("not after ", dead)}},
               check.strictness, "");
        continue;
      }
      const Outcome outcome = library(check).outcome;
      const bool wrong = outcome == Outcome::failed || outcome == Outcome::crashed;
      usable = usable && !(wrong && check.needed);
      if (wrong && std::string_view(check.id) == "load-now-local") dead = check.id;
    }
    return usable;
  }

  Verdict library(const LibraryCheck& check) {
    Ran result;
    const std::string off = request_.settings.off_reason(kLibrary, "", check.id);
    if (off.empty()) {
      const int attempts = std::string_view(check.id) == "scan-time" ? kScanAttempts : 1;
      for (int i = 0; i < attempts; ++i) {
        result = ran([&] { return check.run(out_.file); });
        if (result.verdict.outcome == Outcome::passed) break;
      }
    } else {
      result.verdict = {Outcome::skipped, "switched off: " + off};
    }
    return record({kLibrary, check.id, check.sentence, result.verdict, result.seconds},
                  check.strictness, result.printed);
  }

  // A component that cannot even be made, or destroyed, is not asked for more.
  void test(const PluginFile::Component& component) {
    const std::string subject = cat(component.kind, '/', component.name);
    std::string dead;
    for (const Check* check : testing::checks_for(component.kind)) {
      if (!wanted(check->id, check->strictness)) continue;
      const std::string off =
          request_.settings.off_reason(component.kind, component.name, check->id);
      Ran result;
      if (!off.empty()) {
        result.verdict = {Outcome::skipped, "switched off: " + off};
      } else if (!dead.empty()) {
        result.verdict = {Outcome::skipped, cat("not after ", dead)};
      } else {
        result = ran([&] { return run_check(component, *check); });
      }
      const Verdict verdict =
          record({subject, check->id, check->sentence, result.verdict, result.seconds},
                 check->strictness, result.printed);
      const std::string_view id = check->id;
      const bool first = id == "defaults-valid" || id == "destroy-without-use";
      if (verdict.outcome == Outcome::crashed && first) dead = id;
    }
  }

  [[nodiscard]] Verdict run_check(const PluginFile::Component& component,
                                  const Check& check) const {
    const Subject subject(row_of(out_.file, component),
                          request_.settings.options_of(component.kind, component.name),
                          request_.settings.seed);
    return testing::run(check, subject);
  }

  void silence(bool usable) {
    Verdict verdict;
    if (!usable) verdict = {Outcome::skipped, "nothing of it could run"};
    if (!printed_.empty()) {
      verdict = {Outcome::failed, cat(printed_, ": standard output is the program's; use Log")};
    }
    const std::string off = request_.settings.off_reason(kLibrary, "", kSilentStdout);
    if (!off.empty()) verdict = {Outcome::skipped, "switched off: " + off};
    record({kLibrary, kSilentStdout, "nothing of it prints to standard output", verdict}, 1, "");
  }

  const TestRequest& request_;
  const std::function<void(const TestedCheck&)>& done_;
  PluginTest out_;
  std::string printed_;  // the first thing printed, and by whom
};

}  // namespace

std::size_t PluginTest::count(Outcome outcome) const {
  return static_cast<std::size_t>(
      std::count_if(checks.begin(), checks.end(),
                    [&](const TestedCheck& check) { return check.verdict.outcome == outcome; }));
}

bool PluginTest::passed() const {
  return count(Outcome::failed) == 0 && count(Outcome::crashed) == 0;
}

PluginTest test_plugin(const TestRequest& request,
                       const std::function<void(const TestedCheck&)>& done) {
  const Scratch scratch;
  return Runner(request, done).run();
}

}  // namespace saffron::host
