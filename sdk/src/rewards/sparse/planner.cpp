#include "src/rewards/sparse/columns.h"

#include <saffron/error.h>
#include <saffron/reward_sparse.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr int kRounds = 1'000;        // of policy improvement
constexpr double kTolerance = 1e-12;  // of values, relative to the largest
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kBetter = 16 * kEpsilon;
constexpr double kRoundingOfV = 16 * kEpsilon;  // of T V - V, relative to V
constexpr double kCoarse = 1e-2;                // of the first policy's values, relative to r
constexpr double kCoarseEnough = 1e-7;  // of an optimal return, where rounding allows no better
constexpr int kStuck = 12;              // rounds that bring T V - V no further
constexpr double kShare =
    1e-2;  // of the Bellman residual, to which a policy is evaluated meanwhile

}  // namespace

SparsePlanner::SparsePlanner(const TabularWorld& world, Effort effort)
    : tau_(SparseMatrix::of(world.transitions())),
      mu0_(world.mu0()),
      gamma_(world.gamma()),
      effort_(effort) {}

at::Tensor SparsePlanner::chosen(const at::Tensor& rewards, const at::Tensor& policy) const {
  const std::int64_t S = tau_.columns, A = tau_.rows / S, K = rewards.size(1);
  return rewards.view({S, A, K})
      .gather(1, policy.view({S, 1, 1}).expand({S, 1, K}))
      .squeeze(1)
      .contiguous();
}

// The greedy policy of action values Q [S, A], which keeps `policy` unless another action is better by
// more than rounding, and between which numbers T V - V lies.
SparsePlanner::Improvement SparsePlanner::improved(const at::Tensor& Q, const at::Tensor& V,
                                                   const at::Tensor& policy,
                                                   const at::Tensor& allowed) const {
  const std::int64_t S = Q.size(0), A = Q.size(1);
  const double margin =
      kBetter * std::max(Q.abs().max().item<double>(), V.abs().max().item<double>());
  Improvement out{policy.clone(), 0, 0};
  const double *q = Q.const_data_ptr<double>(), *v = V.const_data_ptr<double>();
  const bool* open = allowed.defined() ? allowed.const_data_ptr<bool>() : nullptr;
  auto* action = out.policy.mutable_data_ptr<std::int64_t>();
  for (std::int64_t s = 0; s < S; ++s) {
    std::int64_t best = action[s];
    for (std::int64_t a = 0; a < A; ++a) {
      if (open != nullptr && !open[s * A + a]) continue;
      if (q[s * A + a] > q[s * A + best]) best = a;
    }
    out.above = std::max(out.above, q[s * A + best] - v[s]);
    if (q[s * A + best] > q[s * A + action[s]] + margin) {
      action[s] = best;
    }
    out.below = std::min(out.below, q[s * A + action[s]] - v[s]);
  }
  return out;
}

// Modified policy iteration (Puterman & Shin 1978): policies are evaluated as far as it pays. Where T V - V
// lies in [below, above], the greedy policy earns at least V + below / (1 - gamma), and none more than
// V + above / (1 - gamma). Sweeps of value iteration carry what a state earns beyond its neighbours, and
// smooth away what evaluating left of an error.
SparsePlan SparsePlanner::best(const at::Tensor& rewards, const at::Tensor& factors,
                               const SparsePlan* start, const at::Tensor& allowed) const {
  const std::int64_t S = tau_.columns, A = tau_.rows / S, K = rewards.size(1);
  const at::Tensor r = columns::combined(rewards, factors).view({S, A});
  SparsePlan out;
  if (start != nullptr) {
    out = *start;
    out.iterations = out.rounds = 0;
  } else {
    const at::Tensor among =
        allowed.defined() ? at::where(allowed, r, -std::numeric_limits<double>::infinity()) : r;
    out.policy = among.argmax(-1);
    out.values = at::zeros({S, K}, at::kDouble);
    evaluate(rewards, factors, kCoarse * r.abs().max().item<double>(), out);
  }
  double least = std::numeric_limits<double>::infinity();  // the closest bracket's |T V - V|
  for (std::int64_t closer = 0;; ++out.rounds) {
    const at::Tensor V = columns::combined(out.values, factors);
    // Of the columns, which may cancel.
    const double largest =
        std::max((columns::largest(out.values) * factors.abs()).sum().item<double>(),
                 r.abs().max().item<double>());
    const double goal = (kTolerance * (1 - gamma_) + kRoundingOfV) * largest;
    sweep(r, allowed, V);
    const Improvement next = improved(r + gamma_ * expected(V), V, out.policy, allowed);
    const double off = std::max(next.above, -next.below);
    out.policy = next.policy;
    if (off < least) {
      if (off < least / 2) closer = out.rounds;
      least = off;
      out.optimal = V;
      const double J = columns::means(mu0_, V.unsqueeze(-1)).item<double>();
      out.high = J + next.above / (1 - gamma_);
      out.low = J + next.below / (1 - gamma_);
    }
    const bool stuck = out.rounds - closer >= kStuck;
    if (off <= goal || (stuck && least <= kCoarseEnough * (1 - gamma_) * largest)) {
      const double J = (out.returns * factors).sum().item<double>();
      if (J < out.low - goal / (1 - gamma_)) evaluate(rewards, factors, goal / 4, out);
      return out;
    }
    if (stuck || out.rounds > kRounds) {
      throw Error(ErrorKind::numeric,
                  cat("an optimal policy is not found: after ", out.rounds,
                      " rounds of policy iteration its return is known to ", out.high - out.low,
                      ", and the largest value is ", largest))
          .with_help("use a smaller gamma: errors grow as 1 / (1 - gamma)");
    }
    evaluate(rewards, factors, std::max(kShare * off, goal / 4), out);
  }
}

at::Tensor SparsePlanner::expected(const at::Tensor& V) const {
  return tau_.times(V.unsqueeze(-1)).view({tau_.columns, tau_.rows / tau_.columns});
}

// Value iteration forth and back over the states, in place.
void SparsePlanner::sweep(const at::Tensor& r, const at::Tensor& allowed,
                          const at::Tensor& V) const {
  const std::int64_t S = tau_.columns, A = tau_.rows / S;
  const auto* at = tau_.offsets.const_data_ptr<std::int64_t>();
  const auto* place = tau_.places.const_data_ptr<std::int32_t>();
  const double *p = tau_.values.const_data_ptr<double>(), *reward = r.const_data_ptr<double>();
  const bool* open = allowed.defined() ? allowed.const_data_ptr<bool>() : nullptr;
  double* v = V.mutable_data_ptr<double>();
  const auto visit = [&](std::int64_t s) {
    double most = -std::numeric_limits<double>::infinity();
    for (std::int64_t row = s * A; row < (s + 1) * A; ++row) {
      if (open != nullptr && !open[row]) continue;
      double next = 0;
      for (std::int64_t e = at[row]; e < at[row + 1]; ++e) next += p[e] * v[place[e]];
      most = std::max(most, reward[row] + gamma_ * next);
    }
    v[s] = most;
  };
  for (std::int64_t s = 0; s < S; ++s) visit(s);
  for (std::int64_t s = S - 1; s >= 0; --s) visit(s);
}

// The values of all columns under the plan's policy, to this residual of the combined reward.
void SparsePlanner::evaluate(const at::Tensor& rewards, const at::Tensor& factors, double target,
                             SparsePlan& plan) const {
  const SparseEvaluation evaluation(tau_.chain(plan.policy), gamma_, effort_);
  const double parts = std::max(1.0, factors.abs().sum().item<double>());
  const at::Tensor each = at::full({rewards.size(1)}, target / parts, at::kDouble);
  const SparseEvaluation::Values found =
      evaluation.solve(chosen(rewards, plan.policy), plan.values, each);
  plan.values = found.values;
  plan.returns = columns::means(mu0_, found.values);
  plan.errors = found.residual / (1 - gamma_);
  plan.iterations += found.iterations;
}

SparsePlanner::Ties SparsePlanner::ties(const at::Tensor& r, const SparsePlan& plan,
                                        double tolerance) const {
  const at::Tensor own = r.view({tau_.columns, -1});
  const at::Tensor Q = own + gamma_ * expected(plan.optimal), most = Q.amax(-1, true);
  const at::Tensor terms = own.abs() + gamma_ * expected(plan.optimal.abs());
  const at::Tensor largest = at::maximum(terms, terms.gather(-1, Q.argmax(-1, true)));
  const at::Tensor apart = (tolerance * largest).clamp_min(4 * (plan.high - plan.low));
  const at::Tensor optimal = Q >= most - apart;
  return {optimal.contiguous(), at::where(optimal & (Q < most), apart, 0.0)};
}

double SparsePlanner::lost_in_ties(const Ties& ties, double enough) const {
  const double crude = ties.apart.max().item<double>() / (1 - gamma_);
  if (crude < enough) return crude;
  return best(ties.apart.reshape({-1, 1}), at::ones({1}, at::kDouble)).high;
}

}  // namespace saffron::inline sdk_v1::rewards
