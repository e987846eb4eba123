#include "val.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>

#include <algorithm>
#include <iterator>

namespace saffron::plugins {

rewards::Settled val_form(const TabularWorld& world, const at::Tensor& policy) {
  const at::Tensor& tau = world.transitions().dense;
  const at::Tensor r = rewards::expected_rewards(tau, world.rewards());
  const at::Tensor size = rewards::expected_rewards(tau, world.rewards().abs());
  const rewards::ShapingProjection shaping(tau, world.gamma(), at::ones_like(r[0]));
  const at::Tensor left = shaping.residual(r);
  const rewards::PolicyEvaluation evaluation(world, world.gamma(), policy);
  const at::Tensor V = evaluation.values(left);                                   // [R, S]
  const at::Tensor next = at::matmul(tau, V.t()).movedim(-1, 0) * world.gamma();  // [R, S, A]
  return {"VAL", (left + next - V.unsqueeze(-1)).unsqueeze(-1), left.flatten(1).abs().amax(-1),
          shaping.noise(r, size)};
}

rewards::SparseForm sparse_val_form(const TabularWorld& world, const at::Tensor& policy) {
  const auto tau = rewards::SparseMatrix::of(world.transitions());
  const rewards::SparseAdvantage form(tau, world.gamma(), policy,
                                      rewards::expected_on_support(tau, world.rewards()),
                                      rewards::expected_on_support(tau, world.rewards().abs()));
  return {rewards::settled_form("VAL", form.values, form.noise), rewards::cells_of(tau, true),
          form.solved};
}

Schema<Val::Options> Val::schema() {
  return rewards::measures_schema<Options>(false).choice(
      "policy", &Options::policy,
      "whose advantages are compared: those of the \"world\"'s policy or of the \"uniform\" one",
      {{"world", Policy::world}, {"uniform", Policy::uniform}});
}

Comparison Val::compare(const World& world) {
  const TabularWorld& tabular = rewards::tabular(world, "val");
  const auto& names = world.info().rewards;
  const at::Tensor uniform =
      at::full_like(tabular.policy(), 1.0 / static_cast<double>(tabular.policy().size(1)));
  const at::Tensor& policy = options_.policy == Policy::world ? tabular.policy() : uniform;
  Comparison out;
  const auto add = [&](const rewards::Settled& form, const rewards::Distances& distances) {
    rewards::add_distances(out, distances, rewards::parse_measures(options_.pairs, false),
                           rewards::starc_claims(tabular, {"transitions", "policy"}),
                           rewards::kTrivial);
    std::ranges::copy(form.uncertain(names), std::back_inserter(out.degenerate));
  };
  if (tabular.transitions().sparse()) {
    const rewards::SparseForm form = sparse_val_form(tabular, policy);
    add(form.settled, {form.settled.canonical, names, form.cells});
    out.report.blocks.push_back(rewards::solver_block({form.solved}));
  } else {
    const rewards::Settled form = val_form(tabular, policy);
    add(form, {tabular, form.canonical, names});
  }
  return out;
}

}  // namespace saffron::plugins
