#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/reward_planning.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_lu_factor_ex.h>
#include <ATen/ops/linalg_lu_solve.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/where.h>

#include <limits>
#include <tuple>

namespace saffron::inline sdk_v1::rewards {
namespace {

constexpr double kTie = 1e-11;
// An action this much better, relative to the largest |Q|, is better by more than rounding.
constexpr double kBetter = 16 * std::numeric_limits<double>::epsilon();

at::Tensor among(const at::Tensor& Q, const at::Tensor& allowed) {
  return allowed.defined() ? at::where(allowed, Q, -std::numeric_limits<double>::infinity()) : Q;
}

at::Tensor chosen(const at::Tensor& x, const at::Tensor& policy) {
  return x.gather(-1, policy.unsqueeze(-1)).squeeze(-1);
}

// x of A [N, N] and b [N, K], with a step of refinement.
at::Tensor solve(const at::Tensor& A, const at::Tensor& b) {
  const auto [lu, pivots, info] = at::linalg_lu_factor_ex(A);
  const at::Tensor x = at::linalg_lu_solve(lu, pivots, b);
  return x + at::linalg_lu_solve(lu, pivots, b - at::matmul(A, x));
}

}  // namespace

Planner::Planner(const TabularWorld& world)
    : states_(at::nonzero(reachable_states(world)).view(-1)),
      tau_(world.transitions().dense.index_select(0, states_).index_select(2, states_)),
      mu0_(world.mu0().index_select(0, states_)),
      gamma_(world.gamma()) {}

at::Tensor Planner::system(const at::Tensor& policy) const {
  const std::int64_t N = tau_.size(0);
  const at::Tensor row = policy.view({N, 1, 1}).expand({N, 1, N});
  return at::eye(N, tau_.options()) - gamma_ * tau_.gather(1, row).squeeze(1);
}

// V [N, K] of rewards [N, K] that the policy gets.
at::Tensor Planner::values(const at::Tensor& policy, const at::Tensor& rewards) const {
  at::Tensor V = solve(system(policy), rewards);
  if (!V.isfinite().all().item<bool>()) {
    throw Error(ErrorKind::numeric,
                cat("a policy's values are not finite: its system's condition number is up to ",
                    (1 + gamma_) / (1 - gamma_)))
        .with_help("use a smaller gamma, or smaller rewards");
  }
  return V;
}

at::Tensor Planner::action_values(const at::Tensor& r, const at::Tensor& V) const {
  return r + gamma_ * at::matmul(tau_, V);
}

at::Tensor Planner::best(const at::Tensor& r, const at::Tensor& allowed,
                         const at::Tensor& start) const {
  at::Tensor policy = start.defined() ? start : among(r, allowed).argmax(-1);
  double sum = -std::numeric_limits<double>::infinity();
  for (;;) {
    const at::Tensor V = values(policy, chosen(r, policy).unsqueeze(-1)).squeeze(-1);
    const double next = V.sum().item<double>();
    if (!(next > sum)) return policy;  // no state's value falls, so that only rounding is left
    sum = next;
    const at::Tensor Q = action_values(r, V);
    const auto [most, action] = among(Q, allowed).max(-1);
    const at::Tensor better = most > chosen(Q, policy) + kBetter * Q.abs().max();
    if (!better.any().item<bool>()) return policy;
    policy = at::where(better, action, policy);
  }
}

at::Tensor Planner::optimal_actions(const at::Tensor& r, const at::Tensor& start) const {
  const at::Tensor policy = best(r, {}, start);
  const at::Tensor V = values(policy, chosen(r, policy).unsqueeze(-1)).squeeze(-1);
  const at::Tensor Q = action_values(r, V);
  return Q >= Q.amax(-1, true) - kTie * Q.abs().max();
}

at::Tensor Planner::returns(const at::Tensor& policy, const at::Tensor& rewards) const {
  const at::Tensor rows = policy.expand({rewards.size(0), policy.size(0)});
  return at::matmul(values(policy, chosen(rewards, rows).t()).t(), mu0_);
}

at::Tensor Planner::occupancy(const at::Tensor& policy) const {
  return solve(system(policy).t(), mu0_.unsqueeze(-1)).squeeze(-1).clamp_min(0);
}

}  // namespace saffron::inline sdk_v1::rewards
