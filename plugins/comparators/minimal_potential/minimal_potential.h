#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Shaping of the least mean square over D_S x D_A x D_S (uniform unless the world says otherwise):
// rewards::minimal_potential_form, keys "MinimalPotential_L2/2-2". Independent of the dynamics.
class MinimalPotential final : public Comparator,
                               public ChecksWorld,
                               public rewards::Canonicaliser {
 public:
  struct Options {
    std::vector<std::string> pairs = {"2-2", "1-1", "angle"};
  };
  static Schema<Options> schema();

  explicit MinimalPotential(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
