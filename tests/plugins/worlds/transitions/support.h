#pragma once

#include "plugins/worlds/transitions/transitions.h"
#include "tests/temporary_folder.h"

#include <saffron/archives.h>

#include <ATen/ops/tensor.h>

#include <string>

namespace saffron::testing {

inline NamedTensors& set(NamedTensors& tensors, const std::string& name, at::Tensor value) {
  std::erase_if(tensors, [&](const auto& entry) { return entry.first == name; });
  tensors.emplace_back(name, std::move(value));
  return tensors;
}

// Two episodes on a line of four cells: 0 1 2 3 and 1 2 3; actions are steps.
inline NamedTensors line() {
  return {{"states", at::tensor({0, 1, 2, 1, 2}, at::kLong)},
          {"actions", at::tensor({1.0, 1.0, 1.0, 1.0, 1.0}, at::kFloat).view({5, 1})},
          {"next_states", at::tensor({1, 2, 3, 2, 3}, at::kLong)},
          {"terminal", at::tensor({0, 0, 1, 0, 1}, at::kLong)},
          {"episodes", at::tensor({7, 7, 7, 9, 9}, at::kLong)},
          {"gamma", at::tensor({0.9}, at::kDouble)},
          {"rewards/goal", at::tensor({0.0, 0.0, 1.0, 0.0, 1.0}, at::kDouble)},
          {"rewards/cost", at::tensor({-1.0, -2.0, -3.0, -2.0, -3.0}, at::kFloat)}};
}

// A file of this test's own.
class SampleFile {
 public:
  explicit SampleFile(const NamedTensors& tensors) : path_(folder_ / "t.npz") {
    write_npz(path_, tensors);
    options.path.value = path_.string();
  }
  [[nodiscard]] std::string path() const { return path_.string(); }

  plugins::SampledTransitions::Options options;

 private:
  test::TemporaryFolder folder_;
  std::filesystem::path path_;
};

}  // namespace saffron::testing
