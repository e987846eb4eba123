#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace saffron::plugins {

// A tabular world as a file gives it: float64, nothing checked but that they are numbers.
struct Tables {
  struct Table {
    at::Tensor values;        // float64, contiguous; undefined when the file has none
    double tolerance = 1e-9;  // of sums of probabilities: what the file's dtype can hold
  };
  Table gamma, mu0, tau, policy, D_S, D_A, terminal;  // gamma: one number
  std::vector<std::pair<std::string, at::Tensor>> rewards;

  // The one of that name, or nullptr.
  [[nodiscard]] Table* find(std::string_view name);
  [[nodiscard]] static const std::vector<std::string>& names();
};

// {"gamma": g, "mu0": [S], "tau": [S][A][S'], "rewards": {name: [S][A][S']}, ...}
[[nodiscard]] Tables read_json_tables(const std::filesystem::path& path);
// Tensors of the same names; a reward is "rewards/<name>".
[[nodiscard]] Tables read_safetensors_tables(const std::filesystem::path& path);

struct TabularData {
  double gamma = 0;
  at::Tensor mu0, tau, policy, D_S, D_A, terminal;
  at::Tensor rewards;  // [R, S, A, S]
  std::vector<std::string> names;
};

// Checks all of it and completes it: probabilities are divided by their sums, missing ones become
// uniform, a terminal state's rows of tau become 0. Throws Error (data) naming the file, the place
// and the value.
[[nodiscard]] TabularData check_tables(Tables tables, const std::string& source);

}  // namespace saffron::plugins
