#include "minimal.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/repeat_interleave.h>
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

rewards::SparseForm sparse_minimal_form(const TabularWorld& world, MinimalWeights weights) {
  const auto tau = rewards::SparseMatrix::of(world.transitions());
  const bool plain = weights == MinimalWeights::one;
  const at::Tensor square =
      rewards::expected_on_support(tau, tau.values.unsqueeze(0)).squeeze(-1);  // sum_s' tau^2
  const at::Tensor kappa = plain ? at::where(square > 0, 1 / square, 1.0) : at::ones_like(square);
  const rewards::SparseProjection shaping(tau, world.gamma(), kappa,
                                          rewards::expected_on_support(tau, world.rewards()),
                                          rewards::expected_on_support(tau, world.rewards().abs()));
  rewards::Solved solved = shaping.solved;
  solved.what = plain ? "Minimal_L2" : "Minimal_tauL2";
  if (!plain) {
    return {rewards::settled_form(solved.what, shaping.residual, shaping.noise),
            rewards::cells_of(tau, true), solved};
  }
  const at::Tensor lengths = tau.offsets.diff();
  const at::Tensor of_row = (shaping.residual * kappa.unsqueeze(-1)).t().contiguous();
  return {{solved.what, of_row.repeat_interleave(lengths, 1) * tau.values,
           shaping.residual.abs().amax(0), shaping.noise},
          rewards::cells_of(tau, false),
          solved};
}

Schema<Minimal::Options> Minimal::schema() {
  return rewards::measures_schema<Options>(false)
      .param("weights", &Options::weights,
             "of the squares that are least: \"one\" for Minimal_L2, \"tau\" for Minimal_tauL2, by "
             "the transitions' probabilities; or both",
             one_of({"one", "tau"}))
      .check([](const Options& o) { return rewards::check_distinct("weights", o.weights); });
}

void Minimal::check(const World& world) const { (void)rewards::tabular(world, "minimal"); }

Comparison Minimal::compare(const World& world) {
  const TabularWorld& tabular = rewards::tabular(world, "minimal");
  const auto& names = world.info().rewards;
  const auto measures = rewards::parse_measures(options_.pairs, false);
  Comparison out;
  const auto add = [&](const rewards::Settled& form, const rewards::Distances& distances) {
    rewards::add_distances(out, distances, measures,
                           rewards::starc_claims(tabular, {"transitions"}), rewards::kTrivial);
    std::ranges::copy(form.uncertain(names), std::back_inserter(out.degenerate));
  };
  std::vector<rewards::Solved> solved;
  for (const std::string& word : options_.weights) {
    const auto weights = word == "one" ? MinimalWeights::one : MinimalWeights::tau;
    if (tabular.transitions().sparse()) {
      const rewards::SparseForm form = sparse_minimal_form(tabular, weights);
      add(form.settled, {form.settled.canonical, names, form.cells});
      solved.push_back(form.solved);
    } else {
      const rewards::Settled form = minimal_form(tabular, weights);
      add(form, {tabular, form.canonical, names});
    }
  }
  if (!solved.empty()) out.report.blocks.push_back(rewards::solver_block(solved));
  return out;
}

}  // namespace saffron::plugins
