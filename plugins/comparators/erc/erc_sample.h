#pragma once

#include <saffron/comparator.h>
#include <saffron/context.h>
#include <saffron/reward_samples.h>
#include <saffron/schema.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Episode return correlation (Gleave et al. 2021) over the episodes of a sample, with
// G = sum_t gamma^t r_t of each:
//
//   ERC_sample/pearson    sqrt((1 - rho) / 2), rho = correlation of G_1 and G_2
//   ERC_sample/spearman   the same of their ranks; equal returns share the mean of theirs
//
// and percentile intervals over episodes drawn anew.
class ErcSample final : public Comparator, public ChecksWorld {
 public:
  struct Options {
    std::vector<std::string> correlations = {"pearson", "spearman"};
    std::int64_t resamples = 1000;
    double confidence = 0.95;
    std::int64_t min_episodes = 10;
  };
  static Schema<Options> schema();

  ErcSample(const Options& options, const Context& context)
      : options_(options), context_(context) {}

  [[nodiscard]] Comparison compare(const World& world) override;
  void check(const World& world) const override { (void)rewards::sampled(world, "erc_sample"); }

 private:
  Options options_;
  const Context& context_;
};

// Of each row of x [R, E], where value i is there `weight[i]` times: the mean rank of its copies and
// equals among all, from 1.
[[nodiscard]] at::Tensor mean_ranks(const at::Tensor& x, const at::Tensor& weight);

}  // namespace saffron::plugins
