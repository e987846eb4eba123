#include <saffron/error.h>
#include <saffron/reward_metrics.h>
#include <saffron/tabular_world.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/zeros.h>

// A world less the states that no policy reaches. What is reached has its successors among what is reached,
// so that rows and columns of the others go together.

namespace saffron::inline sdk_v1 {
namespace {

void keep_dense(const at::Tensor& states, Transitions& tau, at::Tensor& rewards) {
  tau.dense = tau.dense.index_select(0, states).index_select(2, states);
  rewards = rewards.index_select(1, states).index_select(3, states);
}

void keep_sparse(const at::Tensor& states, Transitions& tau, at::Tensor& rewards) {
  at::Tensor number = at::zeros({tau.states}, at::kLong), kept = at::zeros({tau.states}, at::kBool);
  number.index_copy_(0, states, at::arange(states.size(0), at::kLong));
  kept.index_fill_(0, states, 1);
  const at::Tensor lengths = tau.offsets.diff();
  const at::Tensor rows = kept.repeat_interleave(tau.actions);
  const at::Tensor entries = at::nonzero(rows.repeat_interleave(lengths)).view(-1);
  tau.successors = number.index_select(0, tau.successors.index_select(0, entries));
  tau.probabilities = tau.probabilities.index_select(0, entries);
  tau.offsets =
      at::cat({at::zeros({1}, at::kLong), lengths.masked_select(rows).cumsum(0)}).contiguous();
  rewards = rewards.index_select(1, entries);
}

}  // namespace

void TableWorld::keep_reachable() {
  const at::Tensor states = at::nonzero(rewards::reachable_states(*this)).view(-1);
  const std::int64_t left = transitions_.states - states.size(0);
  if (left == 0) return;
  (transitions_.sparse() ? keep_sparse : keep_dense)(states, transitions_, rewards_);
  transitions_.states = states.size(0);
  for (at::Tensor* of : {&mu0_, &policy_, &state_distribution_, &terminal_}) {
    *of = of->index_select(0, states);
  }
  const auto covered = state_distribution_.sum().item<double>();
  if (covered == 0) {
    throw Error(ErrorKind::data, "D_S is 0 in all states that a policy reaches from mu0")
        .with_help("leave it out for a uniform one, or keep all states");
  }
  state_distribution_ = state_distribution_ / covered;
  describe();
  info_.description += cat(", less ", left, " that no policy reaches");
}

}  // namespace saffron::inline sdk_v1
