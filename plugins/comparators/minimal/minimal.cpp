#include "minimal.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <iterator>

namespace saffron::plugins {

rewards::Settled minimal_form(const TabularWorld& world, MinimalWeights weights) {
  const at::Tensor& tau = world.transitions().dense;
  const bool plain = weights == MinimalWeights::one;
  const at::Tensor square = tau.square().sum(-1);  // [S, A]
  const at::Tensor kappa = plain ? at::where(square > 0, 1 / square, 0.0) : at::ones_like(square);
  const rewards::ShapingProjection shaping(tau, world.gamma(), kappa);
  const at::Tensor r = rewards::expected_rewards(tau, world.rewards());
  const at::Tensor size = rewards::expected_rewards(tau, world.rewards().abs());
  const at::Tensor spread = plain ? kappa.unsqueeze(-1) * tau : at::ones_like(kappa).unsqueeze(-1);
  const at::Tensor left = shaping.residual(r);
  return {plain ? "Minimal_L2" : "Minimal_tauL2", left.unsqueeze(-1) * spread,
          left.flatten(1).abs().amax(-1), shaping.noise(r, size)};
}

Schema<Minimal::Options> Minimal::schema() {
  return rewards::measures_schema<Options>(false)
      .param("weights", &Options::weights,
             "of the squares that are least: \"one\" for Minimal_L2, \"tau\" for Minimal_tauL2, by "
             "the transitions' probabilities; or both",
             one_of({"one", "tau"}))
      .check([](const Options& o) { return rewards::check_distinct("weights", o.weights); });
}

void Minimal::check(const World& world) const { (void)rewards::dense_tabular(world, "minimal"); }

Comparison Minimal::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "minimal");
  const auto measures = rewards::parse_measures(options_.pairs, false);
  Comparison out;
  for (const std::string& word : options_.weights) {
    const auto weights = word == "one" ? MinimalWeights::one : MinimalWeights::tau;
    const rewards::Settled form = minimal_form(tabular, weights);
    rewards::add_distances(out, {tabular, form.canonical, world.info().rewards}, measures,
                           rewards::starc_claims(tabular, {"transitions"}), rewards::kTrivial);
    std::ranges::copy(form.uncertain(world.info().rewards), std::back_inserter(out.degenerate));
  }
  return out;
}

}  // namespace saffron::plugins
