#include "val.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>

namespace saffron::plugins {

rewards::Canonical val_form(const TabularWorld& world, const at::Tensor& policy) {
  const at::Tensor& tau = world.transitions().dense;
  const rewards::Levelled of(world);
  const at::Tensor r = rewards::expected_rewards(tau, of.rewards);
  const at::Tensor size = rewards::expected_rewards(tau, of.sizes);
  const rewards::ShapingProjection shaping(tau, world.gamma(), at::ones_like(r[0]));
  const at::Tensor left = shaping.residual(r);
  const rewards::PolicyEvaluation evaluation(world, world.gamma(), policy);
  const at::Tensor V = evaluation.values(left);                                   // [R, S]
  const at::Tensor next = at::matmul(tau, V.t()).movedim(-1, 0) * world.gamma();  // [R, S, A]
  return rewards::settled("VAL", (left + next - V.unsqueeze(-1)).unsqueeze(-1),
                          left.flatten(1).abs().amax(-1), shaping.noise(r, size));
}

rewards::SparseForm sparse_val_form(const TabularWorld& world, const at::Tensor& policy) {
  const auto tau = rewards::SparseMatrix::of(world.transitions());
  const rewards::Levelled of(world);
  const rewards::SparseAdvantage form(tau, world.gamma(), policy,
                                      rewards::expected_on_support(tau, of.rewards),
                                      rewards::expected_on_support(tau, of.sizes));
  return {rewards::settled_form("VAL", form.values, form.noise), rewards::cells_of(tau, true),
          form.solved};
}

Schema<Val::Options> Val::schema() {
  return rewards::measures_schema<Options>(false).choice(
      "policy", &Options::policy,
      "whose advantages are compared: those of the \"world\"'s policy or of the \"uniform\" one",
      {{"world", Policy::world}, {"uniform", Policy::uniform}});
}

at::Tensor Val::policy_of(const TabularWorld& world) const {
  if (options_.policy == Policy::world) return world.policy();
  return at::full_like(world.policy(), 1.0 / static_cast<double>(world.policy().size(1)));
}

std::vector<rewards::Canonical> Val::forms(const TabularWorld& world) const {
  return {val_form(world, policy_of(world))};
}

std::vector<rewards::Measure> Val::measures() const {
  return rewards::parse_measures(options_.pairs, false);
}

Comparison Val::compare(const World& world) {
  const TabularWorld& tabular = rewards::tabular(world, "val");
  const auto& names = world.info().rewards;
  const auto claims = rewards::starc_claims(tabular, {"transitions", "policy"});
  if (!tabular.transitions().sparse()) {
    return rewards::compare_forms(*this, tabular, names, claims, rewards::kTrivial);
  }
  const rewards::SparseForm found = sparse_val_form(tabular, policy_of(tabular));
  Comparison out;
  rewards::add_form(out, found.form, {found.form, names, measures(), found.cells}, names, claims,
                    rewards::kTrivial);
  out.report.blocks.push_back(rewards::solver_block({found.solved}));
  return out;
}

}  // namespace saffron::plugins
