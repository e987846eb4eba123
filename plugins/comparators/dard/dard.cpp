#include "dard.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diag_embed.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <saffron/error.h>

namespace saffron::plugins {
namespace {

at::Tensor absorbing(const at::Tensor& tau) {
  const at::Tensor ends = (tau.sum(-1) == 0).to(tau.scalar_type());  // [S, A]
  return tau + at::diag_embed(ends.t()).transpose(0, 1);
}

// E[R(S', A, S'')] for s and s': [S, S]. R and tau by action: [A, S, S].
at::Tensor out_of_distribution(const at::Tensor& R, const at::Tensor& tau, const at::Tensor& D_A,
                               bool independent) {
  const at::Tensor weight = D_A.view({-1, 1, 1});
  const at::Tensor arrived = at::matmul(R, tau.transpose(1, 2));  // at q, for s': [A, S, S]
  if (independent) return at::matmul((weight * tau).sum(0), (weight * arrived).sum(0));
  return at::matmul(weight * tau, arrived).sum(0);
}

// R + gamma m(s') - m(s) - gamma t(s, s'), or, with sign = 1, the sum of the four.
at::Tensor canonicalise(const TabularWorld& world, const at::Tensor& rewards, bool independent,
                        double sign) {
  const double gamma = world.gamma();
  const at::Tensor& D_A = world.action_distribution();
  const at::Tensor tau = absorbing(world.transitions().dense);
  const at::Tensor by_action = tau.transpose(0, 1).contiguous();
  const at::Tensor m = at::matmul(rewards::expected_rewards(tau, rewards), D_A);  // [R, S]
  std::vector<at::Tensor> third;
  for (std::int64_t i = 0; i < rewards.size(0); ++i) {
    third.push_back(out_of_distribution(rewards[i].transpose(0, 1), by_action, D_A, independent));
  }
  return rewards + gamma * m.unsqueeze(1).unsqueeze(1) + sign * m.unsqueeze(-1).unsqueeze(-1) +
         sign * gamma * at::stack(third).unsqueeze(2);
}

}  // namespace

rewards::Canonical dard_form(const TabularWorld& world, bool independent) {
  return {independent ? "DARD_indepA" : "DARD",
          canonicalise(world, world.rewards(), independent, -1),
          canonicalise(world, world.rewards().abs(), independent, 1)};
}

Schema<Dard::Options> Dard::schema() {
  return rewards::measures_schema<Options>(true)
      .param(
          "actions", &Options::actions,
          "\"shared\" for DARD, with one action for both steps, \"independent\" for DARD_indepA, "
          "with one of its own for each; or both",
          one_of({"shared", "independent"}))
      .check([](const Options& o) { return rewards::check_distinct("actions", o.actions); });
}

void Dard::check(const World& world) const { (void)rewards::dense_tabular(world, "dard"); }

std::vector<rewards::Canonical> Dard::forms(const TabularWorld& world) const {
  std::vector<rewards::Canonical> out;
  for (const std::string& actions : options_.actions) {
    out.push_back(dard_form(world, actions == "independent"));
  }
  return out;
}

std::vector<rewards::Measure> Dard::measures() const {
  return rewards::parse_measures(options_.pairs, true);
}

Comparison Dard::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "dard");
  return rewards::compare_forms(*this, tabular, world.info().rewards,
                                rewards::reward_claims(tabular, {"transitions", rewards::kActions},
                                                       rewards::Shaping::unending, true),
                                rewards::kShapingAlone);
}

}  // namespace saffron::plugins
