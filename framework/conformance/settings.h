#pragma once

#include <saffron/error.h>
#include <saffron/testing/checks.h>

#include <filesystem>
#include <vector>

namespace saffron::host {

struct TestSettings : testing::Settings {
  std::vector<Origin> options_at, off_at;  // where the entries of options and of off are written
};

// test-plugin.toml: how a plugin is tested.
//
//   strictness = 5
//   [options."dataset/text"]       # what checks create the component with; paths as recipes write them,
//   files = ["corpus/*.txt"]       # relative to this file
//   [off]
//   "bfloat16" = "the reason"      # or "dataset/text bfloat16", "library scan-time"
//
// Throws one Error (invalid) with file:line:column for each thing that is wrong.
[[nodiscard]] TestSettings read_test_settings(const std::filesystem::path& path);

}  // namespace saffron::host
