#include "epic.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/matmul.h>

namespace saffron::plugins {
namespace {

// R + gamma m(s') - m(s) - gamma E[m], or, with sign = 1, the sum of the four.
at::Tensor canonicalise(const TabularWorld& world, const at::Tensor& rewards, double sign) {
  const double gamma = world.gamma();
  const at::Tensor& D_S = world.state_distribution();
  const at::Tensor m = at::matmul(at::matmul(rewards, D_S), world.action_distribution());  // [R, S]
  const at::Tensor mean = at::matmul(m, D_S);                                              // [R]
  const at::Tensor here = m + gamma * mean.unsqueeze(-1);
  return rewards + gamma * m.unsqueeze(1).unsqueeze(1) + sign * here.unsqueeze(-1).unsqueeze(-1);
}

}  // namespace

rewards::Canonical epic_form(const TabularWorld& world) {
  rewards::Canonical out;
  out.name = "EPIC";
  out.values = canonicalise(world, world.rewards(), -1);
  out.scale = canonicalise(world, world.rewards().abs(), 1);
  return out;
}

Schema<Epic::Options> Epic::schema() { return rewards::measures_schema<Options>(true); }

void Epic::check(const World& world) const { (void)rewards::dense_tabular(world, "epic"); }

std::vector<rewards::Canonical> Epic::forms(const TabularWorld& world) const {
  return {epic_form(world)};
}

std::vector<rewards::Measure> Epic::measures() const {
  return rewards::parse_measures(options_.pairs, true);
}

Comparison Epic::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "epic");
  return rewards::compare_forms(
      *this, tabular, world.info().rewards,
      rewards::reward_claims(tabular, {rewards::kCoverage}, rewards::Shaping::unending, true),
      rewards::kShapingAlone);
}

}  // namespace saffron::plugins
