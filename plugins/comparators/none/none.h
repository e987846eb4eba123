#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// No canonicalisation: the rewards as they are, as the baseline of those that are comparable.
//
//   None/2-2               ||R1 / ||R1||_2 - R2 / ||R2||_2||_2
//   None/pearson-uniform   sqrt((1 - rho) / 2) of the rewards over D_S x D_A x D_S
[[nodiscard]] rewards::Canonical none_form(const TabularWorld& world);

class None final : public Comparator, public ChecksWorld, public rewards::Canonicaliser {
 public:
  struct Options {
    std::vector<std::string> pairs = {"pearson-uniform", "2-2"};
  };
  static Schema<Options> schema();

  explicit None(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
