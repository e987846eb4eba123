#include "framework/conformance/test_plugin.h"

#include "framework/conformance/library_checks.h"
#include "framework/conformance/names.h"
#include "framework/graph/host_context.h"
#include "framework/loader/guard.h"
#include "framework/loader/load.h"

#include <saffron/error.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace saffron::host {
namespace {

using testing::Check;
using testing::comes_first;
using testing::KindTried;
using testing::Outcome;
using testing::Silence;
using testing::Subject;
using testing::Verdict;

constexpr std::string_view kLoads = "load-now-local";
constexpr std::string_view kFirstAsked = "entry-idempotent";  // the first that calls the entry
constexpr int kScanAttempts = 3;  // a busy machine makes a quick scan slow
constexpr int kMostTimeouts = 3;  // of one component: each takes its whole time

bool wrong(const Verdict& verdict) {
  return verdict.outcome == Outcome::failed || verdict.outcome == Outcome::crashed;
}

// What the checks of one component came to.
struct Trial {
  std::string dead;  // the check in which it died, or because of which no more are run
  int timeouts = 0;
  std::string left;             // the first check that left processes
  std::size_t left_behind = 0;  // how many
  KindTried tried;

  void add(const Check& check, const std::string& kind, const Ran& ran) {
    const std::string_view id = check.id;
    const Verdict& verdict = ran.verdict;
    // One that died could not wait for the processes of its own.
    if (left.empty() && ran.left_behind > 0 && verdict.outcome != Outcome::crashed) {
      left = id;
      left_behind = ran.left_behind;
    }
    if (ran.timed_out && ++timeouts == kMostTimeouts) {
      dead = cat(kMostTimeouts, " checks that gave no answer in time");
    }
    if (verdict.outcome == Outcome::crashed && comes_first(id)) dead = id;
    tried.add(check, kind, verdict);
  }

  [[nodiscard]] Verdict no_process_left() const {
    if (left.empty()) return {};
    return {Outcome::failed,
            cat("left ", left_behind, left_behind == 1 ? " process" : " processes",
                " behind, first in ", left, ": end what you start, and wait for it")};
  }
};

class Runner {
 public:
  Runner(const TestRequest& request, const std::function<void(const TestedCheck&)>& done)
      : request_(request), done_(done), children_(request.limits) {
    out_.file = read_plugin_file(request.file);
    check_tag(out_.file);
    out_.seed = request.settings.seed;
    out_.strictness = request.settings.strictness;
    check_names(request, out_.file, children_);
  }

  PluginTest run() {
    try {
      run_all();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::cancelled) throw;
      out_.stopped = true;
      return std::move(out_);
    }
    if (out_.checks.empty()) throw Error("nothing in this plugin has these checks");
    return std::move(out_);
  }

 private:
  void run_all() {
    const bool usable = libraries();
    for (const PluginFile::Component& component : out_.file.components) {
      if (usable && wanted(component)) test(component);
    }
    decide(kEndsWell, kEndsWellSentence, kEndsWellStrictness, !enduring_.empty(),
           [&] { return ending(); });
    Ran silence;
    silence.verdict = silence_.verdict();
    decide(Silence::kId, Silence::kSentence, Silence::kStrictness, usable || wrong(silence.verdict),
           [&] { return silence; });
  }

  [[nodiscard]] bool recorded(std::string_view id, int strictness) const {
    if (request_.only.empty()) return strictness <= request_.settings.strictness;
    return std::find(request_.only.begin(), request_.only.end(), id) != request_.only.end();
  }
  // Whether anything prints, is left or could be tried shows only where everything runs.
  [[nodiscard]] bool wanted(std::string_view id, int strictness) const {
    const bool all = !request_.only.empty() && (recorded(Silence::kId, Silence::kStrictness) ||
                                                recorded(KindTried::kId, KindTried::kStrictness) ||
                                                recorded(kNoProcessLeft, kNoProcessLeftStrictness));
    return recorded(id, strictness) || (all && strictness <= request_.settings.strictness);
  }
  [[nodiscard]] bool wanted(const PluginFile::Component& component) const {
    const auto& names = request_.components;
    return names.empty() ||
           std::find(names.begin(), names.end(), name_of(component)) != names.end();
  }

  Ran ran(const Work& work) const {
    if (!request_.in_process) return children_.run(work);
    if (interrupted()) throw Error(ErrorKind::cancelled, "stopped on request");
    return run_here(work);
  }

  // What others rest on (`always`) is told of when it is wrong, whatever was asked for.
  Verdict record(const TestedCheck& check, int strictness, bool always,
                 const std::string& printed) {
    silence_.add(check.subject, printed);
    if (recorded(check.id, strictness) || (always && wrong(check.verdict))) {
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
      if (!check.needed && !wanted(check.id, check.strictness)) continue;
      if (!dead.empty()) {
        record({kLibrary, check.id, check.sentence, {Outcome::skipped, cat("not after ", dead)}},
               check.strictness, check.needed, "");
        continue;
      }
      const Verdict verdict = library(check);
      usable = usable && !(wrong(verdict) && check.needed);
      const bool crashed = verdict.outcome == Outcome::crashed && check.id == kFirstAsked;
      if (crashed || (wrong(verdict) && check.id == kLoads)) dead = check.id;
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
                  check.strictness, check.needed, result.printed);
  }

  // A component that cannot even be made, or destroyed, is not asked for more: whether it can is
  // asked first, also when one of its other checks alone is wanted.
  void test(const PluginFile::Component& component) {
    const std::vector<const Check*> checks = testing::checks_for(component.kind);
    if (std::none_of(checks.begin(), checks.end(),
                     [&](const Check* check) { return wanted(check->id, check->strictness); }) &&
        !recorded(kEndsWell, kEndsWellStrictness)) {
      return;
    }
    Trial trial;
    for (const Check* check : checks) {
      const bool first = comes_first(check->id);
      if (!first && !wanted(check->id, check->strictness)) continue;
      const std::string off = off_reason(component, check->id);
      Ran result;
      if (!off.empty()) {
        result.verdict = {Outcome::skipped, "switched off: " + off};
      } else if (!trial.dead.empty()) {
        result.verdict = {Outcome::skipped, cat("not after ", trial.dead)};
      } else {
        result = ran([&] { return run_check(component, *check); });
      }
      record({name_of(component), check->id, check->sentence, result.verdict, result.seconds},
             check->strictness, first, result.printed);
      if (off.empty()) trial.add(*check, component.kind, result);
    }
    if (trial.dead.empty() && trial.timeouts == 0) enduring_.push_back(&component);
    decide(component, kNoProcessLeft, kNoProcessLeftSentence, kNoProcessLeftStrictness,
           trial.no_process_left());
    decide(component, KindTried::kId, KindTried::kSentence, KindTried::kStrictness,
           trial.tried.verdict(trial.dead));
  }

  // A check of a component that its other checks decide.
  void decide(const PluginFile::Component& component, const char* id, const char* sentence,
              int strictness, Verdict verdict) {
    const std::string off = off_reason(component, id);
    if (!off.empty()) verdict = {Outcome::skipped, "switched off: " + off};
    record({name_of(component), id, sentence, verdict}, strictness, false, "");
  }

  [[nodiscard]] std::string off_reason(const PluginFile::Component& component,
                                       std::string_view id) const {
    return request_.settings.off_reason(component.kind, component.name, id);
  }

  [[nodiscard]] Verdict run_check(const PluginFile::Component& component,
                                  const Check& check) const {
    const Place place(cat(component.kind, ' ', component.name));
    const CallScope scope(place);
    const Subject subject(row_of(out_.file, component),
                          request_.settings.options_of(component.kind, component.name),
                          request_.settings.seed);
    return testing::run(check, subject);
  }

  // A check of the library that what its components did decides.
  void decide(const char* id, const char* sentence, int strictness, bool usable,
              const std::function<Ran()>& ask) {
    if (!recorded(id, strictness)) return;
    const std::string off = request_.settings.off_reason(kLibrary, "", id);
    Ran result;
    if (!off.empty()) {
      result.verdict = {Outcome::skipped, "switched off: " + off};
    } else if (!usable) {
      result.verdict = {Outcome::skipped, "nothing of it could run"};
    } else {
      result = ask();
    }
    record({kLibrary, id, sentence, result.verdict, result.seconds}, strictness, false, "");
  }

  // Of a process in which everything was used.
  Ran ending() const {
    Ran out;
    if (request_.in_process) {
      out.verdict = {Outcome::skipped, "needs a process of its own"};
      return out;
    }
    out = children_.run_to_its_end([&] {
      for (const PluginFile::Component* component : enduring_) {
        for (const Check* check : testing::checks_for(component->kind)) {
          const bool left_out = !off_reason(*component, check->id).empty();
          if (comes_first(check->id) && !left_out) static_cast<void>(run_check(*component, *check));
        }
      }
      return Verdict();
    });
    if (out.verdict.outcome == Outcome::crashed) {
      out.verdict = {Outcome::skipped, cat("a use of it ends no better: ", out.verdict.message)};
    }
    return out;
  }

  const TestRequest& request_;
  const std::function<void(const TestedCheck&)>& done_;
  PluginTest out_;
  Children children_;
  Silence silence_;
  std::vector<const PluginFile::Component*> enduring_;  // whose uses let a process live
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
  return Runner(request, done).run();
}

}  // namespace saffron::host
