#pragma once

#include <saffron/comparator.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Episode return correlation (Gleave et al. 2021), exactly: no episodes are sampled. Of the
// discounted returns G_i of endless or ending episodes from mu0 by the world's policy,
//
//   ERC/pearson   sqrt((1 - rho) / 2), rho = correlation of G_1 and G_2
//
// A return's variance is that of its start's value and, at every later step, of what the step adds
// to what was expected of it, discounted by gamma^2:
//
//   Var[G] = Var_mu0[V(s)] + mu0 . (I - gamma^2 T)^-1 c,   c(s) = E[(R + gamma V(s') - V(s))^2]
class Erc final : public Comparator, public ChecksWorld {
 public:
  struct Options {};
  static Schema<Options> schema();

  explicit Erc(const Options& /*options*/) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override;
};

}  // namespace saffron::plugins
