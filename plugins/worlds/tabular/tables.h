#pragma once

#include <saffron/tabular_world.h>

#include <filesystem>

namespace saffron::plugins {

// The tables of a file by their names, nothing checked but that they are numbers; a name that is no part of
// a tabular world is Error (data).

// {"gamma": g, "mu0": [S], "tau": [S][A][S'], "rewards": {name: [S][A][S']}, ...}
[[nodiscard]] MdpTables read_json_tables(const std::filesystem::path& path);
// Tensors of the same names, of a .safetensors or .npz file; a reward is "rewards/<name>".
[[nodiscard]] MdpTables read_tensor_tables(const std::filesystem::path& path);

}  // namespace saffron::plugins
