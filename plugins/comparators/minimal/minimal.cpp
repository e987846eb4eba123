#include "minimal.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

namespace saffron::plugins {

rewards::Canonical minimal_form(const TabularWorld& world, MinimalWeights weights) {
  const at::Tensor& tau = world.transitions().dense;
  const bool plain = weights == MinimalWeights::one;
  const at::Tensor square = tau.square().sum(-1);  // [S, A]
  const at::Tensor kappa = plain ? at::where(square > 0, 1 / square, 0.0) : at::ones_like(square);
  const rewards::ShapingProjection shaping(tau, world.gamma(), kappa);
  const at::Tensor r = rewards::expected_rewards(tau, world.rewards());
  const at::Tensor size = rewards::expected_rewards(tau, world.rewards().abs());
  const at::Tensor spread = plain ? kappa.unsqueeze(-1) * tau : at::ones_like(kappa).unsqueeze(-1);
  const at::Tensor left = shaping.residual(r);
  return rewards::settled(plain ? "Minimal_L2" : "Minimal_tauL2", left.unsqueeze(-1) * spread,
                          left.flatten(1).abs().amax(-1), shaping.noise(r, size));
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

std::vector<rewards::Canonical> Minimal::forms(const TabularWorld& world) const {
  std::vector<rewards::Canonical> out;
  for (const std::string& weights : options_.weights) {
    out.push_back(
        minimal_form(world, weights == "one" ? MinimalWeights::one : MinimalWeights::tau));
  }
  return out;
}

std::vector<rewards::Measure> Minimal::measures() const {
  return rewards::parse_measures(options_.pairs, false);
}

Comparison Minimal::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "minimal");
  return rewards::compare_forms(*this, tabular, world.info().rewards,
                                rewards::starc_claims(tabular, {"transitions"}), rewards::kTrivial);
}

}  // namespace saffron::plugins
