#include "framework/conformance/test_plugin.h"

#include "framework/conformance/child.h"
#include "framework/conformance/library_checks.h"
#include "framework/conformance/names.h"
#include "framework/graph/host_context.h"
#include "framework/loader/load.h"

#include <saffron/error.h>

#include <algorithm>
#include <string_view>

namespace saffron::host {
namespace {

using testing::Check;
using testing::Outcome;
using testing::Subject;
using testing::Verdict;

constexpr std::string_view kLoads = "load-now-local";
constexpr std::string_view kFirstAsked = "entry-idempotent";  // the first that calls the entry
constexpr int kScanAttempts = 3;  // a busy machine makes a quick scan slow

class Runner {
 public:
  Runner(const TestRequest& request, const std::function<void(const TestedCheck&)>& done)
      : request_(request), done_(done) {
    out_.file = read_plugin_file(request.file);
    check_tag(out_.file);
    out_.seed = request.settings.seed;
    out_.strictness = request.settings.strictness;
    check_names(request, out_.file);
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
    return names.empty() ||
           std::find(names.begin(), names.end(), name_of(component)) != names.end();
  }

  Ran ran(const Work& work) const {
    if (interrupted()) throw Error(ErrorKind::cancelled, "stopped on request");
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

  // The checks of the file. False when the host would not use it. A file that does not load, or
  // whose entry crashes, is not asked for more.
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
      const bool crashed = outcome == Outcome::crashed && check.id == kFirstAsked;
      if (crashed || (wrong && check.id == kLoads)) dead = check.id;
    }
    return usable && dead.empty();
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
    const std::string subject = name_of(component);
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
