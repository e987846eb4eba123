#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace saffron::plugins {

// Transitions with the value of each reward: those of the data, and further ones.
struct TransitionSet {
  at::Tensor states, actions, next_states;  // [n, ...], float64 or int64
  // By name, float64 [n].
  std::vector<std::pair<std::string, at::Tensor>> rewards;
  [[nodiscard]] std::int64_t count() const { return states.defined() ? states.size(0) : 0; }
};

// What a file holds, checked: one number of rows, finite numbers, further transitions of the same shapes and
// with the same rewards, episodes that come one after another and end where they say.
struct Sample {
  TransitionSet data, further;
  at::Tensor terminal;  // bool [N]
  at::Tensor episodes;  // int64 [N]
  std::optional<double> gamma;
};

// A .safetensors or .npz file. Throws Error (data) with the file, the tensor, the row and the value.
[[nodiscard]] Sample read_sample(const std::filesystem::path& path);

}  // namespace saffron::plugins
