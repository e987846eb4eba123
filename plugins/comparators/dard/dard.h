#pragma once

#include <saffron/comparator.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Dynamics-aware reward distance (Wulfe et al. 2022). With A ~ D_A, S' ~ tau(. | s, A) and
// S'' ~ tau(. | s', A):
//
//   C(R)(s, a, s') = R(s, a, s') + E[gamma R(s', A, S'') - R(s, A, S') - gamma R(S', A, S'')]
//
// "DARD" takes one A throughout, as the formula is written; "DARD_indepA" draws the action that
// leads to S' apart from that of S'', as sampling code does. A terminal state is taken to lead to
// itself: without successors the last term would leave some shaping behind.
//
//   DARD/pearson-uniform     sqrt((1 - rho) / 2) over D_S x D_A x D_S
//   DARD/pearson-reachable   over D_S x D_A x tau
[[nodiscard]] rewards::Canonical dard_form(const TabularWorld& world, bool independent);

class Dard final : public Comparator, public ChecksWorld, public rewards::Canonicaliser {
 public:
  struct Options {
    std::vector<std::string> pairs = {"pearson-uniform", "pearson-reachable", "2-2"};
    std::vector<std::string> actions = {"shared"};
  };
  static Schema<Options> schema();

  explicit Dard(const Options& options) : options_(options) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  [[nodiscard]] std::vector<rewards::Canonical> forms(const TabularWorld& world) const override;
  [[nodiscard]] std::vector<rewards::Measure> measures() const override;
  void check(const World& world) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
