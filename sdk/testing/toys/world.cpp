#include <saffron/testing/toys.h>

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace saffron::testing {
namespace {

constexpr std::int64_t kStates = 5, kActions = 3;
constexpr double kGamma = 0.9;
constexpr std::int64_t kEpisodes = 6, kSteps = 8, kStateWidth = 3;
constexpr std::int64_t kPrompts = 12, kResponses = 4;

enum Reward : std::int64_t { r, shaped, doubled, negated, other, zero };

std::vector<std::string> reward_names() {
  return {"r", "shaped", "doubled", "negated", "other", "zero"};
}

class ToyTabularWorld final : public World, public TabularWorld {
 public:
  explicit ToyTabularWorld(const Random& random) {
    const auto draws = [&](const char* purpose, std::int64_t rows, std::int64_t width) {
      return random.fork(purpose).uniform_rows(0, rows, width, at::kDouble) + 0.05;
    };
    at::Tensor tau = draws("transitions", kStates * kActions, kStates);
    tau = (tau / tau.sum(1, true)).view({kStates, kActions, kStates});
    transitions_.states = kStates;
    transitions_.actions = kActions;
    transitions_.dense = tau;
    mu0_ = draws("start", 1, kStates).view(-1);
    mu0_ = mu0_ / mu0_.sum();
    const at::Tensor first = draws("reward", kStates * kActions, kStates).view_as(tau);
    const at::Tensor second = draws("other", kStates * kActions, kStates).view_as(tau);
    const at::Tensor phi =
        random.fork("potential").normal_rows(0, 1, kStates, at::kDouble).view(-1);
    const at::Tensor shaping = kGamma * phi.view({1, 1, -1}) - phi.view({-1, 1, 1});
    rewards_ =
        at::stack({first, first + shaping, 2 * first, -first, second, at::zeros_like(first)});
    policy_ = at::full({kStates, kActions}, 1.0 / kActions, at::kDouble);
    states_ = at::full({kStates}, 1.0 / kStates, at::kDouble);
    actions_ = at::full({kActions}, 1.0 / kActions, at::kDouble);
    terminal_ = at::zeros({kStates}, at::kBool);
    info_ = {.description = "tabular MDP, 5 states, 3 actions, gamma 0.9",
             .rewards = reward_names()};
  }

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] double gamma() const override { return kGamma; }
  [[nodiscard]] const at::Tensor& mu0() const override { return mu0_; }
  [[nodiscard]] const Transitions& transitions() const override { return transitions_; }
  [[nodiscard]] const at::Tensor& rewards() const override { return rewards_; }
  [[nodiscard]] const at::Tensor& policy() const override { return policy_; }
  [[nodiscard]] const at::Tensor& state_distribution() const override { return states_; }
  [[nodiscard]] const at::Tensor& action_distribution() const override { return actions_; }
  [[nodiscard]] const at::Tensor& terminal() const override { return terminal_; }

 private:
  WorldInfo info_;
  Transitions transitions_;
  at::Tensor mu0_, rewards_, policy_, states_, actions_, terminal_;
};

// s' = 0.7 s + a w + 0.3 noise, from a random state an episode.
class ToySampledWorld final : public World, public SampledWorld {
 public:
  explicit ToySampledWorld(const Random& random)
      : weights_(random.fork("rewards").normal_rows(0, kParts, kStateWidth, at::kDouble)) {
    const std::int64_t count = kEpisodes * kSteps;
    states_ = random.fork("start").normal_rows(0, count, kStateWidth, at::kDouble);
    actions_ = random.fork("actions").uniform_rows(0, count, 1, at::kDouble) - 0.5;
    const at::Tensor noise = random.fork("noise").normal_rows(0, count, kStateWidth, at::kDouble);
    const at::Tensor push = random.fork("push").normal_rows(0, 1, kStateWidth, at::kDouble);
    next_states_ = at::empty({count, kStateWidth}, at::kDouble);
    for (std::int64_t i = 0; i < count; ++i) {
      if (i % kSteps != 0) states_[i].copy_(next_states_[i - 1]);
      next_states_[i].copy_((0.7 * states_[i] + actions_[i] * push + 0.3 * noise[i]).view(-1));
    }
    const at::Tensor number = at::arange(count, at::kLong);
    terminal_ = number % kSteps == kSteps - 1;
    episodes_ = number.div(kSteps, "floor");
    info_ = {.description = "48 transitions of a continuous environment, gamma 0.9",
             .rewards = reward_names()};
  }

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] double gamma() const override { return kGamma; }
  [[nodiscard]] const at::Tensor& states() const override { return states_; }
  [[nodiscard]] const at::Tensor& actions() const override { return actions_; }
  [[nodiscard]] const at::Tensor& next_states() const override { return next_states_; }
  [[nodiscard]] const at::Tensor& terminal() const override { return terminal_; }
  [[nodiscard]] const at::Tensor& episodes() const override { return episodes_; }
  [[nodiscard]] at::Tensor evaluate(std::int64_t reward, const at::Tensor& states,
                                    const at::Tensor& actions,
                                    const at::Tensor& next_states) const override {
    const auto along = [&](const at::Tensor& x, Part part) { return x.mv(weights_[part]); };
    const auto potential = [&](const at::Tensor& x) { return along(x, phi).sin(); };
    const at::Tensor first =
        along(states, here).tanh() + along(next_states, there) + actions.select(1, 0);
    switch (reward) {
      case r: return first;
      case shaped: return first + kGamma * potential(next_states) - potential(states);
      case doubled: return 2 * first;
      case negated: return -first;
      case other: return along(states, elsewhere) - actions.select(1, 0).square();
      case zero: return at::zeros({states.size(0)}, at::kDouble);
      default: throw Error(cat("reward ", reward, " of a world that has ", info_.rewards.size()));
    }
  }

 private:
  enum Part : std::int64_t { here, there, elsewhere, phi, kParts };

  WorldInfo info_;
  at::Tensor weights_, states_, actions_, next_states_, terminal_, episodes_;
};

// A choice of 0 to n - 1 by its probabilities [n].
std::int64_t pick(const at::Tensor& probabilities, double u) {
  const at::Tensor sums = probabilities.cumsum(0);
  std::int64_t i = 0;
  while (i + 1 < sums.size(0) && u >= sums[i].item<double>()) ++i;
  return i;
}

class ToyNumberedWorld final : public World, public SampledWorld {
 public:
  explicit ToyNumberedWorld(const Random& random) : table_(random) {
    constexpr std::int64_t kNumbered = 40, kLength = 12, kCount = kNumbered * kLength;
    const Random draws = random.fork("steps");
    states_ = at::zeros({kCount}, at::kLong);
    actions_ = at::zeros({kCount}, at::kLong);
    next_states_ = at::zeros({kCount}, at::kLong);
    std::int64_t s = 0;
    for (std::int64_t i = 0; i < kCount; ++i) {
      const auto draw = [&](std::uint64_t k) {
        return draws.uniform(static_cast<std::uint64_t>(i), k);
      };
      if (i % kLength == 0) s = pick(table_.mu0(), draw(0));
      const std::int64_t a = pick(table_.policy()[s], draw(1));
      states_[i] = s;
      actions_[i] = a;
      s = pick(table_.transitions().dense[s][a], draw(2));
      next_states_[i] = s;
    }
    terminal_ = at::zeros({kCount}, at::kBool);
    episodes_ = at::arange(kCount, at::kLong).div(kLength, "floor");
    info_ = {.description = "480 transitions of a tabular MDP, gamma 0.9",
             .rewards = reward_names()};
  }

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] double gamma() const override { return kGamma; }
  [[nodiscard]] const at::Tensor& states() const override { return states_; }
  [[nodiscard]] const at::Tensor& actions() const override { return actions_; }
  [[nodiscard]] const at::Tensor& next_states() const override { return next_states_; }
  [[nodiscard]] const at::Tensor& terminal() const override { return terminal_; }
  [[nodiscard]] const at::Tensor& episodes() const override { return episodes_; }
  [[nodiscard]] at::Tensor evaluate(std::int64_t reward, const at::Tensor& states,
                                    const at::Tensor& actions,
                                    const at::Tensor& next_states) const override {
    const at::Tensor at = (states * kActions + actions) * kStates + next_states;
    return table_.rewards()[reward].reshape({-1}).index_select(0, at);
  }

 private:
  ToyTabularWorld table_;
  WorldInfo info_;
  at::Tensor states_, actions_, next_states_, terminal_, episodes_;
};

class ToyPreferenceWorld final : public World, public PreferenceWorld {
 public:
  explicit ToyPreferenceWorld(const Random& random) {
    const auto draws = [&](const char* purpose, std::int64_t rows) {
      return random.fork(purpose).normal_rows(0, rows, kResponses, at::kDouble);
    };
    const at::Tensor first = draws("scores", kPrompts), second = draws("other", kPrompts);
    const at::Tensor offset = draws("offset", kPrompts).narrow(1, 0, 1).expand_as(first);
    scores_ = at::stack({first, first + offset, 2 * first, -first, second, at::zeros_like(first)})
                  .view({-1, kPrompts * kResponses});
    prompts_ = at::arange(kPrompts, at::kLong).repeat_interleave(kResponses);
    labels_ = (first == first.amax(1, true)).to(at::kDouble).view(-1);
    log_reference_ = draws("reference", kPrompts).log_softmax(1).view(-1);
    info_ = {.description = "12 prompts with four responses each", .rewards = reward_names()};
  }

  [[nodiscard]] const WorldInfo& info() const override { return info_; }
  [[nodiscard]] const at::Tensor& prompts() const override { return prompts_; }
  [[nodiscard]] const at::Tensor& scores() const override { return scores_; }
  [[nodiscard]] const at::Tensor& labels() const override { return labels_; }
  [[nodiscard]] const at::Tensor& log_reference() const override { return log_reference_; }

 private:
  WorldInfo info_;
  at::Tensor prompts_, scores_, labels_, log_reference_;
};

}  // namespace

std::shared_ptr<World> toy_tabular_world(std::uint64_t seed) {
  return std::make_shared<ToyTabularWorld>(Random(seed).fork("toy world"));
}

std::shared_ptr<World> toy_sampled_world(std::uint64_t seed) {
  return std::make_shared<ToySampledWorld>(Random(seed).fork("toy sampled world"));
}

std::shared_ptr<World> toy_numbered_world(std::uint64_t seed) {
  return std::make_shared<ToyNumberedWorld>(Random(seed).fork("toy world"));
}

std::shared_ptr<World> toy_preference_world(std::uint64_t seed) {
  return std::make_shared<ToyPreferenceWorld>(Random(seed).fork("toy preference world"));
}

}  // namespace saffron::testing
