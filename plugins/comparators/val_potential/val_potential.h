#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Shaping by the values of a fixed policy pi, the world's (uniform unless it says otherwise):
//
//   V = (I - gamma T_pi)^-1 r_pi
//   C(R)(s, a, s') = R(s, a, s') + gamma V(s') - V(s)
//
// VAL without its mean over s': it removes shaping and keeps how a reward is spread over next
// states.
[[nodiscard]] rewards::Canonical val_potential_form(const TabularWorld& world);

class ValPotential final : public Comparator, public ChecksWorld, public rewards::Canonicaliser {
 public:
  struct Options {
    std::vector<std::string> pairs = {"2-2", "weighted_2-weighted_2", "angle"};
  };
  static Schema<Options> schema();

  explicit ValPotential(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
