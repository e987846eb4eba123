#pragma once

#include "framework/conformance/child.h"
#include "framework/conformance/settings.h"
#include "framework/loader/elf_tag.h"

#include <saffron/testing/checks.h>
#include <saffron/value.h>

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

// `saffron test-plugin`: every check of a plugin, each in a child of its own.

namespace saffron::host {

struct TestRequest {
  std::filesystem::path file;
  TestSettings settings;
  Problems problems;                    // of test-plugin.toml, shown with those of its names
  std::vector<std::string> only;        // ids of checks; empty = all of the strictness
  std::vector<std::string> components;  // "kind/name"; empty = all
  bool in_process = false;              // for a debugger
  ChildLimits limits;                   // of one check
};

struct TestedCheck {
  std::string subject;  // "library", or "regularizer/hoyer"
  std::string id, sentence;
  testing::Verdict verdict;
  double seconds = 0;
};

struct PluginTest {
  PluginFile file;
  std::uint64_t seed = 1;
  int strictness = testing::kDefaultStrictness;
  std::vector<TestedCheck> checks;
  bool stopped = false;  // on request: the checks that follow were not run

  [[nodiscard]] std::size_t count(testing::Outcome outcome) const;
  [[nodiscard]] bool passed() const;  // nothing failed or crashed
};

// Error (plugin) when the file is no plugin for this host; Error, with near names, for ids,
// components and parameters that do not exist (check_names). `done` hears of each check as it ends.
[[nodiscard]] PluginTest test_plugin(const TestRequest& request,
                                     const std::function<void(const TestedCheck&)>& done = {});

// {plugin, version, file, seed, strictness, stopped, checks: [{subject, id, sentence, outcome,
// message, seconds}], counts}
[[nodiscard]] Value to_value(const PluginTest& test, bool only_failed);
// One line a check, one block a subject; only those that did not pass when `only_failed`. As the
// checks end: whatever becomes of the program, what was found is told.
class TextReport {
 public:
  TextReport(std::ostream& out, bool only_failed) : out_(out), only_failed_(only_failed) {}
  void begin(const PluginFile& file, const testing::Settings& settings);
  void add(const TestedCheck& check);
  void end(const PluginTest& test);

 private:
  std::ostream& out_;
  bool only_failed_;
  std::string subject_;
};
[[nodiscard]] std::string text_of(const PluginTest& test, bool only_failed);
// Every check by group, with its sentence and strictness; those for a file's kinds, if one is given.
[[nodiscard]] std::string list_of_checks(const PluginFile* file = nullptr);

}  // namespace saffron::host
