#include "srrd.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace saffron::plugins {
namespace {

// Sums [R, S] over counts [S], 0 where nothing is counted.
at::Tensor mean(const at::Tensor& sums, const at::Tensor& counts) {
  return at::where(counts > 0, sums / counts, 0.0);
}

// x [..., n] by state: [..., S].
at::Tensor gathered(const at::Tensor& x, const at::Tensor& state, std::int64_t states) {
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = states;
  return at::zeros(shape, at::kDouble).index_add_(-1, state, x);
}

using Sets = std::vector<std::vector<std::int64_t>>;  // of states, by state

// Membership as pairs, so that sums over sets are sums over pairs.
struct Members {
  at::Tensor of, member;  // int64 [pairs]
  explicit Members(const Sets& sets) {
    std::vector<std::int64_t> left, right;
    for (std::size_t x = 0; x < sets.size(); ++x) {
      left.insert(left.end(), sets[x].size(), static_cast<std::int64_t>(x));
      right.insert(right.end(), sets[x].begin(), sets[x].end());
    }
    of = at::empty({static_cast<std::int64_t>(left.size())}, at::kLong);
    member = at::empty_like(of);
    std::copy(left.begin(), left.end(), of.mutable_data_ptr<std::int64_t>());
    std::copy(right.begin(), right.end(), member.mutable_data_ptr<std::int64_t>());
  }
  [[nodiscard]] at::Tensor sum(const at::Tensor& x) const {
    return gathered(x.index_select(-1, member), of, x.size(-1));
  }
};

Sets successors(const TransitionList& list) {
  Sets out(static_cast<std::size_t>(list.states));
  const at::Tensor start = list.start.contiguous(), end = list.end.contiguous();
  for (std::int64_t i = 0; i < start.size(0); ++i) {
    const auto s = static_cast<std::size_t>(start.const_data_ptr<std::int64_t>()[i]);
    out[s].push_back(end.const_data_ptr<std::int64_t>()[i]);
  }
  for (std::vector<std::int64_t>& set : out) {
    std::sort(set.begin(), set.end());
    set.erase(std::unique(set.begin(), set.end()), set.end());
  }
  return out;
}

Sets two_steps(const Sets& next) {
  Sets out(next.size());
  std::vector<std::size_t> seen_by(next.size(), next.size());
  for (std::size_t x = 0; x < next.size(); ++x) {
    for (const std::int64_t y : next[x]) {
      for (const std::int64_t z : next[static_cast<std::size_t>(y)]) {
        if (std::exchange(seen_by[static_cast<std::size_t>(z)], x) != x) out[x].push_back(z);
      }
    }
    std::sort(out[x].begin(), out[x].end());
  }
  return out;
}

// With sign = 1 the sum of all terms.
at::Tensor canonicalise(const TransitionList& list, const at::Tensor& R, double g, double sign) {
  const Sets sets = successors(list);
  const Members next(sets), after(two_steps(sets));
  const auto by_start = [&](const at::Tensor& x) { return gathered(x, list.start, list.states); };
  const auto by_end = [&](const at::Tensor& x) { return gathered(x, list.end, list.states); };
  const auto over = [](const at::Tensor& sums, const at::Tensor& counts, const Members& of) {
    return mean(of.sum(sums), of.sum(counts));
  };
  const at::Tensor one = at::ones({list.start.size(0)}, at::kDouble);
  const at::Tensor left = by_start(R), left_count = by_start(one);
  const at::Tensor ends = (by_end(one) > 0).to(at::kDouble);
  const at::Tensor from_end = ends.index_select(0, list.start);  // of S4, as starts
  const at::Tensor own = mean(left, left_count);                 // from x to its successors
  const at::Tensor from_next = over(left, left_count, next);     // from these to theirs
  const at::Tensor into = over(by_end(R), by_end(one), after);   // from anywhere to these
  const at::Tensor from_ends = over(by_end(R * from_end), by_end(from_end), after);
  const at::Tensor all = mean(left.sum(-1, true), left_count.sum());
  const at::Tensor start = sign * own + sign * g * from_next + g * into + sign * g * all;
  const at::Tensor end = g * own + g * g * from_next + sign * g * g * from_ends;
  return R + start.index_select(1, list.start) + end.index_select(1, list.end);
}

}  // namespace

rewards::Canonical srrd_form(const TransitionList& list, double gamma) {
  return {"SRRD", canonicalise(list, list.rewards, gamma, -1),
          canonicalise(list, list.rewards.abs(), gamma, 1)};
}

rewards::Canonical srrd_form(const TabularWorld& world) {
  const Transitions& tau = world.transitions();
  const at::Tensor possible = at::nonzero(tau.dense.reshape({-1}) > 0).view(-1);
  const at::Tensor& R = world.rewards();
  const rewards::Canonical listed =
      srrd_form({possible.div(tau.states * tau.actions, "floor"), possible % tau.states, tau.states,
                 R.flatten(1).index_select(1, possible)},
                world.gamma());
  const auto spread = [&](const at::Tensor& x) {
    return at::zeros({R.size(0), tau.dense.numel()}, at::kDouble)
        .index_copy_(1, possible, x)
        .view(R.sizes());
  };
  return {listed.name, spread(listed.values), spread(listed.scale)};
}

}  // namespace saffron::plugins
