#pragma once

#include <saffron/testing/checks.h>

#include <filesystem>

namespace saffron::host {

// test-plugin.toml: how a plugin is tested.
//
//   strictness = 5
//   [options."dataset/text"]       # what checks create the component with; paths as recipes write them,
//   files = ["corpus/*.txt"]       # relative to this file
//   [off]
//   "bfloat16" = "the reason"      # or "dataset/text bfloat16" for one component
//
// Throws one Error (invalid) with file:line:column for each thing that is wrong.
[[nodiscard]] testing::Settings read_test_settings(const std::filesystem::path& path);

}  // namespace saffron::host
