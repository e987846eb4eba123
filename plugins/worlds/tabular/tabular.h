#pragma once

#include "tables.h"

#include <saffron/schema.h>
#include <saffron/world.h>

namespace saffron::plugins {

// A finite MDP without its reward, and named rewards R[s, a, s'], from a .json or .safetensors
// file.
class Tabular final : public World, public TabularWorld {
 public:
  struct Options {
    Path path;
  };
  static Schema<Options> schema();

  explicit Tabular(const Options& options);

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] double gamma() const override { return data_.gamma; }
  [[nodiscard]] const at::Tensor& mu0() const override { return data_.mu0; }
  [[nodiscard]] const Transitions& transitions() const override { return transitions_; }
  [[nodiscard]] const at::Tensor& rewards() const override { return data_.rewards; }
  [[nodiscard]] const at::Tensor& policy() const override { return data_.policy; }
  [[nodiscard]] const at::Tensor& state_distribution() const override { return data_.D_S; }
  [[nodiscard]] const at::Tensor& action_distribution() const override { return data_.D_A; }
  [[nodiscard]] const at::Tensor& terminal() const override { return data_.terminal; }

 private:
  TabularData data_;
  Transitions transitions_;
  WorldInfo info_;
};

}  // namespace saffron::plugins
