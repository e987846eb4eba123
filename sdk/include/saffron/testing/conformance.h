#pragma once

#include <saffron/error.h>
#include <saffron/testing/checks.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The conformance kit as GoogleTest cases. A test program that is linked with the plugin's own sources
// (saffron_add_plugin_tests() does that) says once, at file scope:
//
//   SAFFRON_CONFORMANCE_TESTS();
//
// and has one case a check and component, "Plugin/Conformance.Holds/regularizer_hoyer_scale_degree". Options to
// create components with and checks to leave out go in as Settings:
//
//   SAFFRON_CONFORMANCE_TESTS(.options = {{"dataset/lines", options}},
//                             .off = {{"bfloat16", "rows are counts"}});
//
// These are the functions that `saffron test-plugin` runs, without a process of their own: a crash ends
// the program, at the line where it happens. Single components are tested with EXPECT_CONFORMS.

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

// Every check of the component's kind, up to a strictness; what fails is listed.
[[nodiscard]] inline ::testing::AssertionResult conforms(const Subject& subject,
                                                         int strictness = kDefaultStrictness) {
  std::string found;
  KindTried tried;
  const auto note = [&](const char* id, const Verdict& verdict) {
    if (verdict.outcome == Outcome::failed) found += cat("\n  ", id, ": ", verdict.message);
  };
  for (const Check* check : checks_for(subject.kind())) {
    if (check->strictness > strictness) continue;
    const Verdict verdict = run(*check, subject);
    note(check->id, verdict);
    tried.add(*check, subject.kind(), verdict);
  }
  if (strictness >= KindTried::kStrictness) note(KindTried::kId, tried.verdict());
  if (found.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << subject.kind() << " '" << subject.name() << "':" << found;
}
#define EXPECT_CONFORMS(subject) EXPECT_TRUE(::saffron::testing::conforms(subject))

// One case: a component and a check of it; none is that any check of its kind could run.
struct ConformanceCase {
  const saffron_component* row;
  const Check* check;
  Settings settings;

  [[nodiscard]] std::string id() const { return check == nullptr ? KindTried::kId : check->id; }
};

// Throws Error (invalid) where the settings name what there is not.
inline void need_names(const saffron_plugin* plugin, const Settings& settings) {
  std::vector<std::string> components;
  for (std::uint32_t i = 0; plugin != nullptr && i < plugin->component_count; ++i) {
    components.push_back(cat(plugin->components[i].kind, '/', plugin->components[i].name));
  }
  std::string found;
  for (const NameProblem& problem : name_problems(settings, components)) {
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
  return out;
}

[[nodiscard]] inline std::string case_name(const ConformanceCase& of) {
  std::string name = cat(of.row->kind, '_', of.row->name, '_', of.id());
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

inline void PrintTo(const ConformanceCase& of, std::ostream* out) {
  *out << of.row->kind << ' ' << of.row->name << ": " << of.id();
}

// Asks until it is settled: what other cases found is known in their processes only.
inline Verdict kind_tried(const saffron_component& row, const Settings& settings) {
  const Subject subject(row, settings.options_of(row.kind, row.name), settings.seed);
  std::vector<const Check*> checks = checks_for(row.kind);
  std::stable_partition(checks.begin(), checks.end(), [&](const Check* check) {
    return comes_first(check->id) || std::string_view(check->group) == row.kind;
  });
  KindTried tried;
  for (const Check* check : checks) {
    const bool off = !settings.off_reason(row.kind, row.name, check->id).empty();
    if (off || check->strictness > settings.strictness) continue;
    tried.add(*check, row.kind, run(*check, subject));
    if (tried.settled()) break;
  }
  return tried.verdict();
}

inline void run_case(const ConformanceCase& of) {
  const Settings& settings = of.settings;
  const std::string off = settings.off_reason(of.row->kind, of.row->name, of.id());
  if (!off.empty()) GTEST_SKIP() << "switched off: " << off;
  const Subject subject(*of.row, settings.options_of(of.row->kind, of.row->name), settings.seed);
  const Verdict verdict =
      of.check == nullptr ? kind_tried(*of.row, settings) : run(*of.check, subject);
  if (verdict.outcome == Outcome::skipped) GTEST_SKIP() << verdict.message;
  if (verdict.outcome == Outcome::failed) {
    ADD_FAILURE() << (of.check == nullptr ? KindTried::kSentence : of.check->sentence) << ": "
                  << verdict.message;
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
