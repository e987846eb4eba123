#pragma once

#include "framework/recipe/problems.h"

#include <saffron/error.h>
#include <saffron/testing/checks.h>

#include <filesystem>
#include <vector>

namespace saffron::host {

struct TestSettings : testing::Settings {
  double memory = 0;                       // GiB that one check may take; 0 = not said
  std::vector<Origin> options_at, off_at;  // where the entries of options and of off are written
  SourceTexts sources;                     // what they point into
};

// test-plugin.toml: how a plugin is tested.
//
//   strictness = 5
//   memory = 16                    # GiB that one check may take
//   [options."dataset/text"]       # what checks create the component with; paths as recipes write them,
//   files = ["corpus/*.txt"]       # relative to this file
//   [off]
//   "bfloat16" = "the reason"      # or "dataset/text bfloat16", "library scan-time"
//
// Throws one Error (recipe) that shows everything that is wrong as a recipe's errors are shown.
[[nodiscard]] TestSettings read_test_settings(const std::filesystem::path& path);
// The same, with what is wrong in `problems`: to be shown with what else is.
[[nodiscard]] TestSettings read_test_settings(const std::filesystem::path& path,
                                              Problems& problems);

}  // namespace saffron::host
