#include "erc.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diag.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <saffron/error.h>
#include <saffron/reward_metrics.h>

namespace saffron::plugins {
namespace {

// The returns of a linear family of rewards under one policy.
class Returns {
 public:
  explicit Returns(const TabularWorld& world)
      : world_(world), later_(world, world.gamma() * world.gamma()) {
    const at::Tensor& tau = world.transitions().dense;
    const rewards::PolicyEvaluation now(world);
    const at::Tensor weight = world.policy().unsqueeze(-1) * tau;
    // In units of the largest that happens: squares of rewards overflow long before they do.
    const rewards::Levelled of(world);
    const at::Tensor possible = at::where(weight > 0, of.rewards, 0.0);
    const at::Tensor largest = possible.flatten(1).abs().amax(-1).view({-1, 1, 1, 1});
    const at::Tensor unit = at::where(largest > 0, largest, 1.0), R = possible / unit;
    V_ = now.values(rewards::expected_rewards(tau, R));
    size_ =
        (now.values(rewards::expected_rewards(tau, at::where(weight > 0, of.sizes, 0.0) / unit)) *
         world.mu0())
            .sum(-1);
    const at::Tensor surprise =
        R + world.gamma() * V_.unsqueeze(1).unsqueeze(1) - V_.unsqueeze(-1).unsqueeze(-1);
    surprise_ = at::where(weight > 0, surprise, 0.0).flatten(1);
    weight_ = weight.flatten();
  }

  // Standard deviations of sum_i factors[k, i] G_i: [K].
  [[nodiscard]] at::Tensor deviation(const at::Tensor& factors) const {
    const at::Tensor steps = at::matmul(factors, surprise_).square() * weight_;
    const at::Tensor c = steps.view({factors.size(0), V_.size(1), -1}).sum(-1);  // [K, S]
    at::Tensor V = at::matmul(factors, V_);
    V = V - (V * world_.mu0()).sum(-1, true);
    const at::Tensor variance = V.square() + later_.solve(c.t()).t();
    return (variance * world_.mu0()).sum(-1).clamp_min(0).sqrt();
  }

  [[nodiscard]] const at::Tensor& size() const { return size_; }  // E[sum gamma^t |R|]

 private:
  const TabularWorld& world_;
  rewards::PolicyEvaluation later_;
  at::Tensor V_, size_;
  at::Tensor weight_,
      surprise_;  // pi tau [S A S], R + gamma V(s') - V(s) where possible [R, S A S]
};

Certificate certify() {
  Certificate out;
  out.metric = "ERC/pearson";
  out.needs = {"transitions", "policy", "mu0"};
  out.invariant_to = {"positive scaling"};
  out.pseudometric = true;
  out.high = 1;
  out.covers = "the episodes of the world's policy";
  out.caveat =
      "Rewards that agree where this policy goes are 0 apart, whatever they ask of another. "
      "Potential shaping adds its potential at the start, which counts where starts differ.";
  return out;
}

}  // namespace

Schema<Erc::Options> Erc::schema() { return {}; }

void Erc::check(const World& world) const {
  (void)rewards::dense_tabular(world, "erc", "dense transitions");
}

Comparison Erc::compare(const World& world) {
  const TabularWorld& tabular = rewards::dense_tabular(world, "erc", "dense transitions");
  const std::vector<std::string>& names = world.info().rewards;
  const auto count = static_cast<std::int64_t>(names.size());
  const Returns returns(tabular);
  const at::Tensor deviation = returns.deviation(at::eye(count, at::kDouble));
  const at::Tensor constant = deviation <= rewards::kZero * returns.size();
  PairMatrix matrix{.key = "ERC/pearson",
                    .values = {},
                    .reasons = {},
                    .definition =
                        "sqrt((1 - rho) / 2), rho = correlation of the episodes' discounted "
                        "returns from mu0 by the world's policy"};
  // |u - v| / 2 of returns of deviation 1, which loses nothing where rho is close to 1.
  matrix.values = rewards::pairwise(at::diag(1 / at::where(constant, 1.0, deviation)),
                                    [&](const at::Tensor& u, const at::Tensor& v) {
                                      return 0.5 * returns.deviation(u - v);
                                    })
                      .clamp_max(1);
  std::vector<std::string> reasons;
  for (const std::string& name : names) {
    reasons.push_back(
        cat("reward '", name, "' returns the same in every episode: it correlates with nothing"));
  }
  rewards::leave_undefined(matrix, constant, reasons);
  Comparison out;
  out.metrics.push_back(std::move(matrix));
  out.certificates.push_back(certify());
  return out;
}

}  // namespace saffron::plugins
