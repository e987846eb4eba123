#include "val.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>

namespace saffron::plugins {

ValForm val_form(const TabularWorld& world) {
  const at::Tensor& tau = world.transitions().dense;
  const std::int64_t count = world.rewards().size(0);
  const rewards::PolicyEvaluation evaluation(world);
  const at::Tensor rbar = rewards::expected_rewards(tau, world.rewards());
  // The same with absolute values: what the sums below could have cancelled.
  const at::Tensor size = rewards::expected_rewards(tau, world.rewards().abs());
  const at::Tensor V = evaluation.values(at::cat({rbar, size}));                  // [2 R, S]
  const at::Tensor next = at::matmul(tau, V.t()).movedim(-1, 0) * world.gamma();  // [2 R, S, A]
  const at::Tensor here = V.unsqueeze(-1);
  ValForm out;
  out.values = V.slice(0, 0, count);
  out.canonical.name = "VAL";
  out.canonical.values =
      (rbar + next.slice(0, 0, count) - here.slice(0, 0, count)).unsqueeze(-1).contiguous();
  out.canonical.scale =
      (size + next.slice(0, count) + here.slice(0, count)).unsqueeze(-1).contiguous();
  return out;
}

Schema<Val::Options> Val::schema() { return rewards::measures_schema<Options>(false); }

std::vector<rewards::Canonical> Val::forms(const TabularWorld& world) const {
  return {val_form(world).canonical};
}

std::vector<rewards::Measure> Val::measures() const {
  return rewards::parse_measures(options_.pairs, false);
}

Comparison Val::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "val");
  return rewards::compare_forms(*this, tabular, world.info().rewards,
                                rewards::starc_claims(tabular, {"transitions", "policy"}),
                                rewards::kTrivial);
}

}  // namespace saffron::plugins
