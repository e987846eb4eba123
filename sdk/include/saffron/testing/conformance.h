#pragma once

#include <saffron/error.h>
#include <saffron/testing/checks.h>
#include <saffron/testing/stdout_capture.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The conformance kit as GoogleTest cases. A test program that is linked with the plugin's own sources
// (saffron_add_plugin_tests() does that) says once, at file scope:
//
//   SAFFRON_CONFORMANCE_TESTS();
//
// and has one case a check and component, "Plugin/Conformance.Holds/regularizer_hoyer_scale_degree", and one that
// none of them prints, "library_silent_stdout". Options to create components with and checks to leave out go in as
// Settings:
//
//   SAFFRON_CONFORMANCE_TESTS(.options = {{"dataset/lines", options}},
//                             .off = {{"bfloat16", "rows are counts"}});
//
// These are the functions that `saffron test-plugin` runs, without a process of their own: a crash ends
// the program, at the line where it happens. What a check changes of the process is put back after
// it. Single components are tested with EXPECT_CONFORMS.

extern "C" const saffron_plugin* saffron_plugin_entry(std::uint32_t host_abi_major,
                                                      std::uint32_t host_abi_minor);

namespace saffron::testing {

// A component of the plugin that this program is linked with, by kind and name.
[[nodiscard]] inline Subject component(std::string_view kind, std::string_view name,
                                       const Value& options = Value::table()) {
  const saffron_plugin* plugin = saffron_plugin_entry(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR);
  for (std::uint32_t i = 0; plugin != nullptr && i < plugin->component_count; ++i) {
    const saffron_component& row = plugin->components[i];
    if (kind == row.kind && name == row.name) return Subject(row, options);
  }
  throw Error(cat("the plugin has no ", kind, " '", name, "'"));
}

// Runs a check. What it prints is noted, and printed all the same.
inline Verdict run_heard(const Check& check, const Subject& subject, Silence& silence) {
  std::string printed;
  Verdict verdict;
  {
    const StdoutCapture capture;
    verdict = run(check, subject);
    printed = capture.text();
  }
  silence.add(cat(subject.kind(), '/', subject.name()), printed);
  std::cout << printed << std::flush;
  return verdict;
}

// Every check of the component's kind, up to a strictness; what fails is listed.
[[nodiscard]] inline ::testing::AssertionResult conforms(const Subject& subject,
                                                         int strictness = kDefaultStrictness) {
  std::string found;
  KindTried tried;
  Silence silence;
  const auto note = [&](const char* id, const Verdict& verdict) {
    if (verdict.outcome == Outcome::failed) found += cat("\n  ", id, ": ", verdict.message);
  };
  for (const Check* check : checks_for(subject.kind())) {
    if (check->strictness > strictness) continue;
    const Verdict verdict = run_heard(*check, subject, silence);
    note(check->id, verdict);
    tried.add(*check, subject.kind(), verdict);
  }
  if (strictness >= KindTried::kStrictness) note(KindTried::kId, tried.verdict());
  if (strictness >= Silence::kStrictness) note(Silence::kId, silence.verdict());
  if (found.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << subject.kind() << " '" << subject.name() << "':" << found;
}
#define EXPECT_CONFORMS(subject) EXPECT_TRUE(::saffron::testing::conforms(subject))

// One case: a component and a check of it. Without a check: that any of its kind could run; without a
// component: that none prints.
struct ConformanceCase {
  const saffron_component* row;
  const Check* check;
  Settings settings;

  [[nodiscard]] std::string id() const {
    if (row == nullptr) return Silence::kId;
    return check == nullptr ? KindTried::kId : check->id;
  }
  [[nodiscard]] std::string sentence() const {
    if (row == nullptr) return Silence::kSentence;
    return check == nullptr ? KindTried::kSentence : check->sentence;
  }
  [[nodiscard]] std::string off_reason() const {
    return row == nullptr ? settings.off_reason(kLibrary, "", id())
                          : settings.off_reason(row->kind, row->name, id());
  }
};

// Throws Error (invalid) where the settings name what there is not.
inline void need_names(const saffron_plugin* plugin, const Settings& settings) {
  std::vector<std::string> components;
  for (std::uint32_t i = 0; plugin != nullptr && i < plugin->component_count; ++i) {
    components.push_back(cat(plugin->components[i].kind, '/', plugin->components[i].name));
  }
  std::string found;
  for (const NameProblem& problem : name_problems(settings, components, {Silence::kId})) {
    found += cat("\n  ", problem.message, problem.help.empty() ? "" : ": ", problem.help);
  }
  if (!found.empty()) throw Error(cat("SAFFRON_CONFORMANCE_TESTS:", found));
}

[[nodiscard]] inline std::vector<ConformanceCase> conformance_cases(const Settings& settings) {
  std::vector<ConformanceCase> out;
  const saffron_plugin* plugin = saffron_plugin_entry(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR);
  need_names(plugin, settings);
  for (std::uint32_t i = 0; plugin != nullptr && i < plugin->component_count; ++i) {
    for (const Check* check : checks_for(plugin->components[i].kind)) {
      if (check->strictness > settings.strictness) continue;
      out.push_back({&plugin->components[i], check, settings});
    }
    if (KindTried::kStrictness <= settings.strictness) {
      out.push_back({&plugin->components[i], nullptr, settings});
    }
  }
  if (Silence::kStrictness <= settings.strictness) out.push_back({nullptr, nullptr, settings});
  return out;
}

[[nodiscard]] inline std::string case_name(const ConformanceCase& of) {
  std::string name = of.row == nullptr ? cat(kLibrary, '_', of.id())
                                       : cat(of.row->kind, '_', of.row->name, '_', of.id());
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

inline void PrintTo(const ConformanceCase& of, std::ostream* out) {
  if (of.row == nullptr) {
    *out << kLibrary;
  } else {
    *out << of.row->kind << ' ' << of.row->name;
  }
  *out << ": " << of.id();
}

// The checks that this process has run, and what they printed.
struct Heard {
  std::set<std::pair<const saffron_component*, const Check*>> run;
  Silence silence;
};
inline Heard& heard() {
  static Heard all;
  return all;
}

inline Verdict run_of(const saffron_component& row, const Check& check, const Settings& settings) {
  const Subject subject(row, settings.options_of(row.kind, row.name), settings.seed);
  heard().run.emplace(&row, &check);
  return run_heard(check, subject, heard().silence);
}

[[nodiscard]] inline bool is_left_out(const saffron_component& row, const Check& check,
                                      const Settings& settings) {
  return check.strictness > settings.strictness ||
         !settings.off_reason(row.kind, row.name, check.id).empty();
}

// Asks until it is settled: what other cases found is known in their processes only.
inline Verdict kind_tried(const saffron_component& row, const Settings& settings) {
  std::vector<const Check*> checks = checks_for(row.kind);
  std::stable_partition(checks.begin(), checks.end(), [&](const Check* check) {
    return comes_first(check->id) || std::string_view(check->group) == row.kind;
  });
  KindTried tried;
  for (const Check* check : checks) {
    if (is_left_out(row, *check, settings)) continue;
    tried.add(*check, row.kind, run_of(row, *check, settings));
    if (tried.settled()) break;
  }
  return tried.verdict();
}

// Runs what this process has not run yet, until something prints.
inline Verdict silent_stdout(const Settings& settings) {
  const saffron_plugin* plugin = saffron_plugin_entry(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR);
  for (std::uint32_t i = 0; plugin != nullptr && i < plugin->component_count; ++i) {
    const saffron_component& row = plugin->components[i];
    for (const Check* check : checks_for(row.kind)) {
      if (heard().silence.verdict().outcome == Outcome::failed) break;
      if (is_left_out(row, *check, settings) || heard().run.contains({&row, check})) continue;
      static_cast<void>(run_of(row, *check, settings));
    }
  }
  return heard().silence.verdict();
}

inline Verdict verdict_of(const ConformanceCase& of) {
  if (of.row == nullptr) return silent_stdout(of.settings);
  return of.check == nullptr ? kind_tried(*of.row, of.settings)
                             : run_of(*of.row, *of.check, of.settings);
}

inline void run_case(const ConformanceCase& of) {
  const std::string off = of.off_reason();
  if (!off.empty()) GTEST_SKIP() << "switched off: " << off;
  const Verdict verdict = verdict_of(of);
  if (verdict.outcome == Outcome::skipped) GTEST_SKIP() << verdict.message;
  if (verdict.outcome == Outcome::failed) {
    ADD_FAILURE() << of.sentence() << ": " << verdict.message;
  }
}

class Conformance : public ::testing::TestWithParam<ConformanceCase> {};

}  // namespace saffron::testing

#define SAFFRON_CONFORMANCE_TESTS(...)                                                    \
  namespace saffron::testing {                                                            \
  TEST_P(Conformance, Holds) { run_case(GetParam()); }                                    \
  INSTANTIATE_TEST_SUITE_P(Plugin, Conformance,                                           \
                           ::testing::ValuesIn(conformance_cases(Settings{__VA_ARGS__})), \
                           [](const auto& given) { return case_name(given.param); });     \
  }                                                                                       \
  static_assert(true, "a semicolon follows")
