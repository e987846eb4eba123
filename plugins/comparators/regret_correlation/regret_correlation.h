#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/random.h>
#include <saffron/reward_metrics.h>
#include <saffron/schema.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// The published experiment on distances between rewards, with exact regret: over pairs of rewards of every
// member of a family of environments, or of one environment,
//
//   regret  mean of regret1 and regret2: the comparator `regret`'s, by `ties`
//   w       mean of w12 and w21: worst-case regret, the comparator `span`'s
//
// Of each distance d, with both: Pearson's and Spearman's correlation; and the least and the largest of
// w12 / d and w21 / d, empirical constants of completeness and soundness, where regret is above 1e-5.
// Standard errors of Pearson's by the jackknife, leaving out one environment at a time.
//
// returns = "sampled" takes regret from drawn episodes, as published, with optimal policies that are exact.
//
// Left out are pairs of which a reward has range(R) < near_trivial max |rbar|: their regret is 0 / 0.
class RegretCorrelation final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::vector<Child<Comparator>> of = canonicalisers();
    std::string pairs = "all", ties = "pessimistic", returns = "exact";
    double near_trivial = 1e-5;
  };
  static Schema<Options> schema();

  RegretCorrelation(const Options& options, const Context& context)
      : options_(options), episodes_(context.random("episodes")) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override {
    (void)rewards::dense_tabular(world, "regret_correlation", "dense transitions");
  }

 private:
  static std::vector<Child<Comparator>> canonicalisers();

  Options options_;
  Random episodes_;
};

}  // namespace saffron::plugins
