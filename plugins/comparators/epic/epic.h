#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Equivalent-policy invariant comparison (Gleave et al. 2021). With A ~ D_A and S' ~ D_S, the
// world's (uniform unless it says otherwise), and independent of the dynamics:
//
//   m(s) = E[R(s, A, S')]
//   C(R)(s, a, s') = R(s, a, s') + gamma m(s') - m(s) - gamma E_{S ~ D_S}[m(S)]
//
//   EPIC/pearson-uniform     sqrt((1 - rho) / 2) over D_S x D_A x D_S: the published distance
//   EPIC/pearson-reachable   over D_S x D_A x tau: possible transitions only
[[nodiscard]] rewards::Canonical epic_form(const TabularWorld& world);

class Epic final : public Comparator, public ChecksWorld, public rewards::Canonicaliser {
 public:
  struct Options {
    std::vector<std::string> pairs = {"pearson-uniform", "pearson-reachable", "2-2"};
  };
  static Schema<Options> schema();

  explicit Epic(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
