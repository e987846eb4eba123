#pragma once

#include <saffron/schema.h>
#include <saffron/tabular_world.h>

namespace saffron::plugins {

// A finite MDP without its reward, and named rewards R[s, a, s'], from a .json, .safetensors or .npz file.
class Tabular final : public TableWorld {
 public:
  struct Options {
    Path path;
  };
  static Schema<Options> schema();

  explicit Tabular(const Options& options);
};

}  // namespace saffron::plugins
