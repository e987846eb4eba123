#pragma once

#include <saffron/schema.h>
#include <saffron/tabular_world.h>

namespace saffron::plugins {

// A finite MDP without its reward, and named rewards R[s, a, s'], from a .json, .safetensors or .npz file.
class Tabular final : public TableWorld {
 public:
  enum class States { all, reachable };
  struct Options {
    Path path;
    States states = States::all;
  };
  static Schema<Options> schema();

  explicit Tabular(const Options& options);
};

}  // namespace saffron::plugins
