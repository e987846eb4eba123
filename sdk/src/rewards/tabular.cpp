#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_lu_factor_ex.h>
#include <ATen/ops/linalg_lu_solve.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <limits>
#include <tuple>
#include <vector>

namespace saffron::inline sdk_v1::rewards {

const TabularWorld& tabular(const World& world, std::string_view comparator) {
  const auto* tabular = dynamic_cast<const TabularWorld*>(&world);
  if (tabular != nullptr) return *tabular;
  throw Error(cat(comparator, " needs a tabular world, with P(s' | s, a), and this is: ",
                  world.info().description))
      .with_help(
          "epic_sample, dard_sample, erc_sample, srrd and ls_minimal compare drawn transitions, "
          "those "
          "that begin with preference_ scores of responses; "
          "docs/reward-files.md says which comparators take which world");
}

const TabularWorld& dense_tabular(const World& world, std::string_view comparator,
                                  std::string_view why) {
  const TabularWorld& found = tabular(world, comparator);
  const Transitions& tau = found.transitions();
  if (!tau.sparse()) return found;
  const double cells = static_cast<double>(tau.states) * static_cast<double>(tau.states) *
                       static_cast<double>(tau.actions);
  throw Error(cat(comparator, " needs ", why,
                  ", which sparse transitions leave out: ", world.info().description))
      .with_help(cat("val, minimal, span and regret take sparse transitions. Or make them dense, ",
                     8e-9 * cells,
                     " GB for tau and as much for each reward: a gridworld takes transitions = "
                     "\"dense\"; a file of tables holds tau and no offsets"));
}

at::Tensor reachable_states(const TabularWorld& world) {
  const Transitions& tau = world.transitions();
  const at::Tensor reached = (world.mu0() > 0).contiguous().clone();
  const std::int64_t states = reached.size(0);
  bool* seen = reached.mutable_data_ptr<bool>();
  std::vector<std::int64_t> open;
  for (std::int64_t s = 0; s < states; ++s) {
    if (seen[s]) open.push_back(s);
  }
  const auto reach = [&](std::int64_t next) {
    if (seen[next]) return;
    seen[next] = true;
    open.push_back(next);
  };
  const at::Tensor possible = tau.sparse() ? at::Tensor() : (tau.dense > 0).any(1).contiguous();
  while (!open.empty()) {
    const std::int64_t s = open.back();
    open.pop_back();
    if (tau.sparse()) {
      const auto* at = tau.offsets.const_data_ptr<std::int64_t>();
      const auto* successor = tau.successors.const_data_ptr<std::int64_t>();
      for (std::int64_t e = at[s * tau.actions]; e < at[(s + 1) * tau.actions]; ++e) {
        reach(successor[e]);
      }
      continue;
    }
    const bool* edge = possible.const_data_ptr<bool>() + s * states;  // [S, S]
    for (std::int64_t next = 0; next < states; ++next) {
      if (edge[next]) reach(next);
    }
  }
  return reached;
}

at::Tensor counted_states(const TabularWorld& world) {
  return world.gamma() == 0 ? world.mu0() > 0 : reachable_states(world);
}

namespace {

constexpr double kRoundingOfSums = 4 * std::numeric_limits<double>::epsilon();

// The c of rewards x from c to 2 c, whose differences from c have no rounding (Sterbenz's lemma); or 0.
double common_part(const at::Tensor& x) {
  if (x.numel() == 0) return 0;
  const auto [low, high] = at::aminmax(x);
  const auto least = low.item<double>(), most = high.item<double>();
  if (least > 0 && most <= 2 * least) return least;
  return most < 0 && least >= 2 * most ? most : 0;
}

bool episodes_end(const Transitions& tau) {
  if (tau.sparse()) return (tau.offsets.diff() == 0).any().item<bool>();
  return (tau.dense.sum(-1) == 0).any().item<bool>();
}

}  // namespace

Levelled::Levelled(const TabularWorld& world)
    : rewards(world.rewards()), offset(at::zeros({rewards.size(0)}, at::kDouble)) {
  sizes = rewards.abs();
  const Transitions& tau = world.transitions();
  if (episodes_end(tau)) return;
  const at::Tensor possible = (tau.sparse() ? tau.probabilities : tau.dense).flatten() > 0;
  for (std::int64_t i = 0; i < rewards.size(0); ++i) {
    const double c = common_part(rewards[i].flatten().masked_select(possible));
    if ((rewards[i] - c).isfinite().all().item<bool>())
      offset[i] = c;  // of all, also impossible ones
  }
  if (!offset.any().item<bool>()) return;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(rewards.dim()), 1);
  rows[0] = -1;
  rewards = rewards - offset.view(rows);
  sizes = rewards.abs() + kRoundingOfSums / kRounding * offset.abs().view(rows);
}

at::Tensor expected_rewards(const at::Tensor& tau, const at::Tensor& rewards) {
  const std::int64_t count = rewards.size(0);
  at::Tensor out = at::empty({count, tau.size(0), tau.size(1)}, tau.options());
  for (std::int64_t i = 0; i < count; ++i) out[i].copy_((rewards[i] * tau).sum(-1));
  return out;
}

PolicyEvaluation::PolicyEvaluation(const TabularWorld& world)
    : PolicyEvaluation(world, world.gamma()) {}

PolicyEvaluation::PolicyEvaluation(const TabularWorld& world, double discount)
    : PolicyEvaluation(world, discount, world.policy()) {}

PolicyEvaluation::PolicyEvaluation(const TabularWorld& world, double discount, at::Tensor policy)
    : policy_(std::move(policy)), gamma_(discount) {
  const at::Tensor& tau = world.transitions().dense;
  const at::Tensor T = (policy_.unsqueeze(-1) * tau).sum(1);
  system_ = at::eye(tau.size(0), tau.options()) - gamma_ * T;
  // Regular for gamma < 1, with condition number at most (1 + gamma) / (1 - gamma) in the max norm.
  std::tie(lu_, pivots_, std::ignore) = at::linalg_lu_factor_ex(system_);
}

// In units of the largest |r| of each column, so that only gamma can spoil the solution.
at::Tensor PolicyEvaluation::solve(const at::Tensor& r) const {
  const at::Tensor largest = r.abs().amax(0, true);
  const at::Tensor unit = at::where((largest > 0) & largest.isfinite(), largest, 1.0);
  const at::Tensor b = r / unit;
  at::Tensor V = at::linalg_lu_solve(lu_, pivots_, b);
  V = V + at::linalg_lu_solve(lu_, pivots_, b - at::matmul(system_, V));
  if (b.isfinite().all().item<bool>() && !V.isfinite().all().item<bool>()) {
    throw Error(ErrorKind::numeric,
                cat("the policy's values are lost in rounding: with 1 - gamma = ", 1 - gamma_,
                    " its system's condition number is up to ", (1 + gamma_) / (1 - gamma_)))
        .with_help("use a smaller gamma");
  }
  return V * unit;
}

at::Tensor PolicyEvaluation::values(const at::Tensor& expected_rewards) const {
  return solve((expected_rewards * policy_).sum(-1).t()).t();
}

}  // namespace saffron::inline sdk_v1::rewards
