#include "val_potential.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

namespace saffron::plugins {

rewards::Canonical val_potential_form(const TabularWorld& world) {
  const at::Tensor& tau = world.transitions().dense;
  const rewards::Levelled of(world);
  const at::Tensor& R = of.rewards;
  const at::Tensor& size = of.sizes;
  const rewards::PolicyEvaluation evaluation(world);
  const at::Tensor V = evaluation.values(
      at::cat({rewards::expected_rewards(tau, R), rewards::expected_rewards(tau, size)}));
  const at::Tensor here = V.unsqueeze(-1).unsqueeze(-1);
  const at::Tensor next = world.gamma() * V.unsqueeze(1).unsqueeze(1);
  const std::int64_t count = R.size(0);
  return {"VALPotential", R + next.slice(0, 0, count) - here.slice(0, 0, count),
          size + next.slice(0, count) + here.slice(0, count)};
}

Schema<ValPotential::Options> ValPotential::schema() {
  return rewards::measures_schema<Options>(true);
}

void ValPotential::check(const World& world) const {
  (void)rewards::dense_tabular(world, "val_potential");
}

std::vector<rewards::Canonical> ValPotential::forms(const TabularWorld& world) const {
  return {val_potential_form(world)};
}

std::vector<rewards::Measure> ValPotential::measures() const {
  return rewards::parse_measures(options_.pairs, true);
}

Comparison ValPotential::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "val_potential");
  return rewards::compare_forms(
      *this, tabular, world.info().rewards,
      rewards::reward_claims(tabular, {"transitions", "policy"}, rewards::Shaping::ending, false),
      rewards::kShapingAlone);
}

}  // namespace saffron::plugins
