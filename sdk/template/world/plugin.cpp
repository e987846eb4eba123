// @NAME@: a world, an environment and the reward functions to compare in it.
//
// Change first: the formulas below and the constructor; then info_, which names the rewards in
// the order of the tensor's first dimension; then Options and schema().
//
// What holds for every world (saffron/world.h):
// - What it holds is a capability: TabularWorld (a finite MDP), SampledWorld (transitions drawn
//   from an environment) or PreferenceWorld (scores of responses to prompts).
// - Everything is float64, const and thread-safe: it is made once, in the constructor.
// - A TabularWorld has gamma in [0, 1), and distributions that sum to 1: mu0 [S], every row of
//   the transitions [S, A, S] and of the policy [S, A], state_distribution [S],
//   action_distribution [A].
// - Rewards are [R, S, A, S], over all transitions, impossible ones too.
// - A parameter that does not fit is a saffron::Error that says with which value.

#include <saffron/error.h>
#include <saffron/plugin.h>
#include <saffron/world.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace {

// A chain of n states, walked left (action 0) or right (action 1); a step goes the other way with
// probability `slip`, and a step off an end stays:
//
//   tau(s + 1 | s, right) = 1 - slip      tau(s - 1 | s, right) = slip      and mirrored for left
//
// Three rewards:  right   1 for every transition that ends in the last state, else 0
//                 shaped  right + gamma phi(s') - phi(s),  phi(s) = s / (n - 1): no policy's rank
//                         changes  (Ng, Harada and Russell 1999, "Policy invariance under reward
//                         transformations")
//                 left    1 for every transition that ends in the first state, else 0
class @CLASS@ final : public saffron::World, public saffron::TabularWorld {
 public:
  struct Options {
    std::int64_t states = 8;
    double slip = 0.1;
    double gamma = 0.9;
  };
  static auto schema() {
    return saffron::Schema<Options>{}
        .param("states", &Options::states, "of the chain, n", saffron::between(2, 1024))
        .param("slip", &Options::slip, "probability that a step goes the other way",
               saffron::fraction())
        .param("gamma", &Options::gamma, "discount", saffron::below_one());
  }

  explicit @CLASS@(const Options& options) : options_(options) {
    const std::int64_t n = options.states;
    const auto reals = at::dtype(at::kDouble);
    transitions_.states = n;
    transitions_.actions = 2;
    transitions_.dense = steps();
    rewards_ = rewards_on_chain();
    mu0_ = at::full({n}, 1.0 / static_cast<double>(n), reals);
    policy_ = at::full({n, 2}, 0.5, reals);
    action_distribution_ = at::full({2}, 0.5, reals);
    terminal_ = at::zeros({n}, at::kBool);
    info_.description =
        saffron::cat("chain of ", n, " states, slip ", options.slip, ", gamma ", options.gamma);
    info_.rewards = {"right", "shaped", "left"};
  }

  const saffron::WorldInfo& info() const override { return info_; }
  double gamma() const override { return options_.gamma; }
  const at::Tensor& mu0() const override { return mu0_; }
  const saffron::Transitions& transitions() const override { return transitions_; }
  const at::Tensor& rewards() const override { return rewards_; }
  const at::Tensor& policy() const override { return policy_; }
  const at::Tensor& state_distribution() const override { return mu0_; }
  const at::Tensor& action_distribution() const override { return action_distribution_; }
  const at::Tensor& terminal() const override { return terminal_; }

 private:
  at::Tensor steps() const {
    const std::int64_t n = options_.states;
    at::Tensor tau = at::zeros({n, 2, n}, at::kDouble);
    auto* p = tau.mutable_data_ptr<double>();
    for (std::int64_t s = 0; s < n; ++s) {
      const std::int64_t left = std::max<std::int64_t>(s - 1, 0), right = std::min(s + 1, n - 1);
      for (std::int64_t a = 0; a < 2; ++a) {
        double* row = p + (s * 2 + a) * n;
        row[a == 0 ? left : right] += 1 - options_.slip;
        row[a == 0 ? right : left] += options_.slip;
      }
    }
    return tau;
  }

  at::Tensor rewards_on_chain() const {
    const std::int64_t n = options_.states;
    const at::Tensor nothing = at::zeros({n, 2, n}, at::kDouble);
    at::Tensor right = nothing.clone(), left = nothing.clone(), shaped = nothing.clone();
    right.select(2, n - 1).fill_(1);
    left.select(2, 0).fill_(1);
    const double longest = static_cast<double>(n - 1);
    for (std::int64_t s = 0; s < n; ++s) {
      shaped.select(0, s).sub_(static_cast<double>(s) / longest);
      shaped.select(2, s).add_(options_.gamma * static_cast<double>(s) / longest);
    }
    return at::stack({right, right + shaped, left});
  }

  Options options_;
  saffron::Transitions transitions_;
  at::Tensor rewards_, mu0_, policy_, action_distribution_, terminal_;
  saffron::WorldInfo info_;
};

}  // namespace

SAFFRON_PLUGIN("@ID@", "0.1.0",
               saffron::component<@CLASS@>("@NAME@", "Random walk on a chain, with three rewards")
                   .cite("Ng, Harada and Russell 1999"))
