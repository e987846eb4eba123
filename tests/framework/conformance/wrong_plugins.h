#pragma once

#include "framework/conformance/test_plugin.h"
#include "tests/places.h"

#include <saffron/error.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

// The deliberately wrong plugins, and their test.

namespace saffron::host {

namespace fs = std::filesystem;
using saffron::testing::Outcome;

inline constexpr int kEverything = 10;

inline fs::path tests_folder() { return fs::path(kBuildDir) / "tests"; }

inline PluginTest tested(const fs::path& file, std::vector<std::string> only = {},
                         std::vector<std::string> components = {}) {
  TestRequest request;
  request.file = file;
  request.settings.strictness = kEverything;
  request.only = std::move(only);
  request.components = std::move(components);
  request.limits.timeout = std::chrono::seconds(120);
  return test_plugin(request);
}

inline bool wrong(const TestedCheck& check) {
  return check.verdict.outcome != Outcome::passed && check.verdict.outcome != Outcome::skipped;
}

// Of several that one check finds the name goes on after "__".
inline std::string id_of(std::string name) {
  name.resize(std::min(name.size(), name.find("__")));
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

inline constexpr const char* kKinds[] = {
    "dataset", "model",      "source",    "sae",    "regularizer", "objective", "scorer",
    "world",   "comparator", "tokenizer", "format", "explainer",   "judge"};

inline fs::path wrong_library(const std::string& name) {
  return tests_folder() / "wrong" / cat("libwrong_", name, ".so");
}

}  // namespace saffron::host
