#include "tabular.h"

#include <saffron/error.h>

#include <filesystem>

namespace saffron::plugins {
namespace {

TabularData read(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".json") return check_tables(read_json_tables(path), path);
  if (extension == ".safetensors") return check_tables(read_safetensors_tables(path), path);
  throw Error(cat("'", path, "' is neither a .json nor a .safetensors file"));
}

}  // namespace

Schema<Tabular::Options> Tabular::schema() {
  return Schema<Options>{}.param(
      "path", &Options::path,
      "a .json file with gamma, mu0, tau and rewards, and, optionally, policy, D_S, D_A and "
      "terminal; or a .safetensors file with tensors of these names and one rewards/<name> each",
      required(), not_empty(), hashed_file());
}

Tabular::Tabular(const Options& options) : data_(read(options.path.value)) {
  transitions_.states = data_.tau.size(0);
  transitions_.actions = data_.tau.size(1);
  transitions_.dense = data_.tau;
  info_.description = cat("tabular MDP, ", transitions_.states, " states, ", transitions_.actions,
                          " actions, gamma ", data_.gamma);
  info_.rewards = data_.names;
}

}  // namespace saffron::plugins
