#include "minimal.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/where.h>

namespace saffron::plugins {

rewards::Canonical minimal_form(const TabularWorld& world, MinimalWeights weights) {
  const at::Tensor& tau = world.transitions().dense;
  const bool plain = weights == MinimalWeights::one;
  const at::Tensor square = tau.square().sum(-1);  // [S, A]
  const at::Tensor kappa = plain ? at::where(square > 0, 1 / square, 0.0) : at::ones_like(square);
  const rewards::ShapingProjection shaping(tau, world.gamma(), kappa);
  const rewards::Levelled of(world);
  const at::Tensor r = rewards::expected_rewards(tau, of.rewards);
  const at::Tensor size = rewards::expected_rewards(tau, of.sizes);
  const at::Tensor spread = plain ? kappa.unsqueeze(-1) * tau : at::ones_like(kappa).unsqueeze(-1);
  const at::Tensor left = shaping.residual(r);
  return rewards::settled(plain ? "Minimal_L2" : "Minimal_tauL2", left.unsqueeze(-1) * spread,
                          left.flatten(1).abs().amax(-1), shaping.noise(r, size));
}

rewards::SparseForm sparse_minimal_form(const TabularWorld& world, MinimalWeights weights) {
  const auto tau = rewards::SparseMatrix::of(world.transitions());
  const bool plain = weights == MinimalWeights::one;
  const at::Tensor square =
      rewards::expected_on_support(tau, tau.values.unsqueeze(0)).squeeze(-1);  // sum_s' tau^2
  const at::Tensor kappa = plain ? at::where(square > 0, 1 / square, 1.0) : at::ones_like(square);
  const rewards::Levelled of(world);
  const rewards::SparseProjection shaping(tau, world.gamma(), kappa,
                                          rewards::expected_on_support(tau, of.rewards),
                                          rewards::expected_on_support(tau, of.sizes));
  rewards::Solved solved = shaping.solved;
  solved.what = plain ? "Minimal_L2" : "Minimal_tauL2";
  if (!plain) {
    return {rewards::settled_form(solved.what, shaping.residual, shaping.noise),
            rewards::cells_of(tau, true), solved};
  }
  const at::Tensor lengths = tau.offsets.diff();
  const at::Tensor of_row = (shaping.residual * kappa.unsqueeze(-1)).t().contiguous();
  return {rewards::settled(solved.what, of_row.repeat_interleave(lengths, 1) * tau.values,
                           shaping.residual.abs().amax(0), shaping.noise),
          rewards::cells_of(tau, false), solved};
}

namespace {

std::vector<MinimalWeights> weights_of(const Minimal::Options& options) {
  std::vector<MinimalWeights> out;
  for (const std::string& word : options.weights) {
    out.push_back(word == "one" ? MinimalWeights::one : MinimalWeights::tau);
  }
  return out;
}

}  // namespace

Schema<Minimal::Options> Minimal::schema() {
  return rewards::measures_schema<Options>(false)
      .param("weights", &Options::weights,
             "of the squares that are least: \"one\" for Minimal_L2, \"tau\" for Minimal_tauL2, by "
             "the transitions' probabilities; or both",
             one_of({"one", "tau"}))
      .check([](const Options& o) { return rewards::check_distinct("weights", o.weights); });
}

void Minimal::check(const World& world) const { (void)rewards::tabular(world, "minimal"); }

std::vector<rewards::Canonical> Minimal::forms(const TabularWorld& world) const {
  std::vector<rewards::Canonical> out;
  for (const MinimalWeights weights : weights_of(options_)) {
    out.push_back(minimal_form(world, weights));
  }
  return out;
}

std::vector<rewards::Measure> Minimal::measures() const {
  return rewards::parse_measures(options_.pairs, false);
}

Comparison Minimal::compare(const World& world) {
  const TabularWorld& tabular = rewards::tabular(world, "minimal");
  const auto& names = world.info().rewards;
  const auto claims = rewards::starc_claims(tabular, {"transitions"});
  if (!tabular.transitions().sparse()) {
    return rewards::compare_forms(*this, tabular, names, claims, rewards::kTrivial);
  }
  Comparison out;
  std::vector<rewards::Solved> solved;
  for (const MinimalWeights weights : weights_of(options_)) {
    const rewards::SparseForm found = sparse_minimal_form(tabular, weights);
    rewards::add_form(out, found.form, {found.form, names, measures(), found.cells}, names, claims,
                      rewards::kTrivial);
    solved.push_back(found.solved);
  }
  out.report.blocks.push_back(rewards::solver_block(solved));
  return out;
}

}  // namespace saffron::plugins
