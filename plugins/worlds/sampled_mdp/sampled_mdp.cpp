#include "sampled_mdp.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/nonzero.h>

#include <span>
#include <vector>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kMostSteps = std::int64_t{1} << 27;

// The first place where the sum of the weights passes u times their sum; never one of weight 0.
std::int64_t pick(std::span<const double> weights, double u) {
  double sum = 0;
  for (const double w : weights) sum += w;
  double left = u * sum;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) break;
  }
  return static_cast<std::int64_t>(last);
}

// Row `row` of x [..., n], seen as rows of n.
std::span<const double> row_of(const at::Tensor& x, std::int64_t row) {
  const std::int64_t n = x.size(-1);
  return {x.const_data_ptr<double>() + row * n, static_cast<std::size_t>(n)};
}

at::Tensor numbers(const std::vector<std::int64_t>& values) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<std::int64_t>());
  return out;
}

}  // namespace

Schema<SampledMdp::Options> SampledMdp::schema() {
  return Schema<Options>{}
      .param("world", &Options::world, "the tabular world, with dense transitions", required())
      .param("episodes", &Options::episodes, "episodes drawn", at_least(1))
      .param("steps", &Options::steps, "the longest episode", at_least(1))
      .check([](const Options& o) {
        return o.episodes > kMostSteps / o.steps
                   ? cat(o.episodes, " episodes of ", o.steps, " steps are too many to hold")
                   : std::string();
      });
}

SampledMdp::SampledMdp(const Options& options, const Context& context) : world_(options.world) {
  static_cast<void>(rewards::dense_tabular(*world_, "sampled_mdp"));
  draw(options, context.random("episodes"));
  info_.rewards = world_->info().rewards;
  info_.description = cat(states_.size(0), " transitions of ", options.episodes,
                          " episodes drawn in: ", world_->info().description);
}

// One row of draws a step; the start takes those of its episode from another stream.
void SampledMdp::draw(const Options& options, const Random& random) {
  const at::Tensor& tau_given = table().transitions().dense;
  const at::Tensor goes_on = (tau_given.sum({1, 2}) > 0).to(at::kDouble);
  const at::Tensor start = (table().mu0() * goes_on).contiguous();
  if (!(start.sum().item<double>() > 0)) {
    throw Error("every episode would end where it starts: mu0 is 0 but for terminal states");
  }
  const at::Tensor tau = tau_given.contiguous(), policy = table().policy().contiguous();
  const at::Tensor going = goes_on.contiguous();
  const std::int64_t A = tau.size(1);
  const Random starts = random.fork("starts");
  std::vector<std::int64_t> s_of, a_of, next_of, ends, episode_of;
  for (std::int64_t episode = 0; episode < options.episodes; ++episode) {
    std::int64_t s = pick(row_of(start, 0), starts.uniform(static_cast<std::uint64_t>(episode)));
    bool goes = true;
    for (std::int64_t step = 0; goes && step < options.steps; ++step) {
      const auto row = static_cast<std::uint64_t>(episode * options.steps + step);
      const std::int64_t a = pick(row_of(policy, s), random.uniform(row, 0));
      const std::int64_t next = pick(row_of(tau, s * A + a), random.uniform(row, 1));
      goes = going.const_data_ptr<double>()[next] > 0;
      s_of.push_back(s);
      a_of.push_back(a);
      next_of.push_back(next);
      ends.push_back(goes ? 0 : 1);
      episode_of.push_back(episode);
      s = next;
    }
  }
  states_ = numbers(s_of);
  actions_ = numbers(a_of);
  next_states_ = numbers(next_of);
  terminal_ = numbers(ends) != 0;
  episodes_ = numbers(episode_of);
}

at::Tensor SampledMdp::evaluate(std::int64_t reward, const at::Tensor& states,
                                const at::Tensor& actions, const at::Tensor& next_states) const {
  const at::Tensor& R = table().rewards();
  if (reward < 0 || reward >= R.size(0)) {
    throw Error(cat("reward ", reward, " of a world that has ", R.size(0)));
  }
  const auto index = [](const at::Tensor& x, std::int64_t below, const char* what) {
    const at::Tensor out = x.to(at::kLong);
    const at::Tensor wrong = (out < 0).logical_or(out >= below);
    if (x.dim() == 1 && !wrong.any().item<bool>()) return out;
    if (x.dim() != 1)
      throw Error(cat(what, " to evaluate have the shape ", x.sizes(), ", not [n]"));
    const auto row = at::nonzero(wrong)[0][0].item<std::int64_t>();
    throw Error(cat(what, " ", out[row].item<std::int64_t>(), " of a world that has ", below));
  };
  const std::int64_t S = R.size(1), A = R.size(2);
  const at::Tensor s = index(states, S, "state"), a = index(actions, A, "action"),
                   next = index(next_states, S, "next state");
  return R[reward].reshape({-1}).index_select(0, (s * A + a) * S + next);
}

}  // namespace saffron::plugins
