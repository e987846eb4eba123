#include "testing/drivers/worlds.h"

#include <saffron/error.h>
#include <saffron/testing/toys.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

namespace saffron::testing {
namespace {

constexpr double kScale = 2.5;

using Each = std::function<at::Tensor(const std::string&, const at::Tensor&)>;

at::Tensor mapped(const Each& each, const char* name, const at::Tensor& tensor) {
  return tensor.defined() ? each(name, tensor) : tensor;
}

struct TabularCopy final : World, TabularWorld {
  TabularCopy(const WorldInfo& of_info, const TabularWorld& of)
      : description(of_info),
        discount(of.gamma()),
        start(of.mu0()),
        tau(of.transitions()),
        values(of.rewards()),
        pi(of.policy()),
        D_S(of.state_distribution()),
        D_A(of.action_distribution()),
        ends(of.terminal()) {}

  void map(const Each& each) {
    start = mapped(each, "mu0", start);
    tau.dense = mapped(each, "transitions", tau.dense);
    values = mapped(each, "rewards", values);
    pi = mapped(each, "policy", pi);
    D_S = mapped(each, "state_distribution", D_S);
    D_A = mapped(each, "action_distribution", D_A);
    ends = mapped(each, "terminal", ends);
  }

  const WorldInfo& info() const override { return description; }
  double gamma() const override { return discount; }
  const at::Tensor& mu0() const override { return start; }
  const Transitions& transitions() const override { return tau; }
  const at::Tensor& rewards() const override { return values; }
  const at::Tensor& policy() const override { return pi; }
  const at::Tensor& state_distribution() const override { return D_S; }
  const at::Tensor& action_distribution() const override { return D_A; }
  const at::Tensor& terminal() const override { return ends; }

  WorldInfo description;
  double discount;
  at::Tensor start;
  Transitions tau;
  at::Tensor values, pi, D_S, D_A, ends;
};

struct SampledCopy final : World, SampledWorld {
  SampledCopy(std::shared_ptr<const World> toy, const SampledWorld& of)
      : owner(std::move(toy)),
        world(of),
        description(owner->info()),
        s(of.states()),
        a(of.actions()),
        next(of.next_states()),
        ends(of.terminal()),
        episode(of.episodes()) {}

  void map(const Each& each) {
    s = mapped(each, "states", s);
    a = mapped(each, "actions", a);
    next = mapped(each, "next_states", next);
    ends = mapped(each, "terminal", ends);
    episode = mapped(each, "episodes", episode);
  }

  const WorldInfo& info() const override { return description; }
  double gamma() const override { return world.gamma(); }
  const at::Tensor& states() const override { return s; }
  const at::Tensor& actions() const override { return a; }
  const at::Tensor& next_states() const override { return next; }
  const at::Tensor& terminal() const override { return ends; }
  const at::Tensor& episodes() const override { return episode; }
  at::Tensor evaluate(std::int64_t reward, const at::Tensor& states, const at::Tensor& actions,
                      const at::Tensor& next_states) const override {
    if (made.empty()) return world.evaluate(reward, states, actions, next_states);
    const MadeReward& of = made.at(static_cast<std::size_t>(reward));
    const at::Tensor r = world.evaluate(of.of, states, actions, next_states);
    if (of.change == Change::scaled) return kScale * r;
    if (of.change == Change::shaped) return r + gamma() * phi(next_states) - phi(states);
    return r;
  }
  [[nodiscard]] at::Tensor phi(const at::Tensor& x) const {
    const at::Tensor flat = x.to(at::kDouble).reshape({x.size(0), -1});
    const at::Tensor direction = random.normal_rows(0, 1, flat.size(1), at::kDouble);
    return flat.mv(direction.view(-1)).sin();
  }

  std::shared_ptr<const World> owner;
  const SampledWorld& world;
  WorldInfo description;
  std::vector<MadeReward> made;
  Random random{1};
  at::Tensor s, a, next, ends, episode;
};

struct PreferenceCopy final : World, PreferenceWorld {
  PreferenceCopy(const WorldInfo& of_info, const PreferenceWorld& of)
      : description(of_info),
        prompt(of.prompts()),
        values(of.scores()),
        label(of.labels()),
        reference(of.log_reference()) {}

  void map(const Each& each) {
    prompt = mapped(each, "prompts", prompt);
    values = mapped(each, "scores", values);
    label = mapped(each, "labels", label);
    reference = mapped(each, "log_reference", reference);
  }

  const WorldInfo& info() const override { return description; }
  const at::Tensor& prompts() const override { return prompt; }
  const at::Tensor& scores() const override { return values; }
  const at::Tensor& labels() const override { return label; }
  const at::Tensor& log_reference() const override { return reference; }

  WorldInfo description;
  at::Tensor prompt, values, label, reference;
};

at::Tensor changed(const TabularCopy& world, const MadeReward& reward, const Random& random) {
  const at::Tensor r = world.values[reward.of];
  const std::int64_t S = world.tau.states, A = world.tau.actions;
  switch (reward.change) {
    case Change::none: return r;
    case Change::scaled: return kScale * r;
    case Change::shaped: {
      const at::Tensor phi = random.normal_rows(0, 1, S, at::kDouble) * ~world.ends;
      return r + world.discount * phi.view({1, 1, S}) - phi.view({S, 1, 1});
    }
    case Change::redistributed: {
      const at::Tensor x = random.normal_rows(0, S * A, S, at::kDouble).view({S, A, S});
      return r + x - (world.tau.dense * x).sum(-1, true);
    }
  }
  return r;
}

at::Tensor changed(const PreferenceCopy& world, const MadeReward& reward, const Random& random) {
  const at::Tensor r = world.values[reward.of];
  if (reward.change == Change::scaled) return kScale * r;
  if (reward.change != Change::shaped) return r;
  const std::int64_t prompts = world.prompt.max().item<std::int64_t>() + 1;
  const at::Tensor offset = random.normal_rows(0, 1, prompts, at::kDouble).view(-1);
  return r + offset.index_select(0, world.prompt);
}

template <class Copy>
std::shared_ptr<World> with_table(std::shared_ptr<Copy> copy, const std::vector<MadeReward>& made,
                                  const Random& random) {
  std::vector<at::Tensor> values;
  for (const MadeReward& reward : made) {
    values.push_back(changed(*copy, reward, random.fork(reward.name)));
  }
  copy->values = at::stack(values);
  return copy;
}

WorldInfo renamed(WorldInfo info, const std::vector<MadeReward>& made) {
  info.rewards.clear();
  for (const MadeReward& reward : made) info.rewards.push_back(reward.name);
  return info;
}

bool any(const std::vector<MadeReward>& made, Change change) {
  for (const MadeReward& reward : made) {
    if (reward.change == change) return true;
  }
  return false;
}

void read(const TabularWorld& world, Observed& out) {
  out.note("gamma", at::full({}, world.gamma(), at::kDouble));
  out.note("mu0", world.mu0());
  const Transitions& tau = world.transitions();
  out.note("transitions", tau.dense);
  out.note("offsets", tau.offsets);
  out.note("successors", tau.successors);
  out.note("probabilities", tau.probabilities);
  out.note("rewards", world.rewards());
  out.note("policy", world.policy());
  out.note("state_distribution", world.state_distribution());
  out.note("action_distribution", world.action_distribution());
  out.note("terminal", world.terminal());
}

void read(const SampledWorld& world, std::size_t rewards, Observed& out) {
  out.note("gamma", at::full({}, world.gamma(), at::kDouble));
  out.note("states", world.states());
  out.note("actions", world.actions());
  out.note("next_states", world.next_states());
  out.note("terminal", world.terminal());
  out.note("episodes", world.episodes());
  for (std::size_t i = 0; i < rewards; ++i) {
    out.note(cat("reward ", i),
             world.evaluate(static_cast<std::int64_t>(i), world.states().clone(),
                            world.actions().clone(), world.next_states().clone()));
  }
}

void read(const PreferenceWorld& world, Observed& out) {
  out.note("prompts", world.prompts());
  out.note("scores", world.scores());
  out.note("labels", world.labels());
  out.note("log_reference", world.log_reference());
}

}  // namespace

std::vector<std::shared_ptr<World>> toy_worlds(std::uint64_t seed) {
  return {toy_tabular_world(seed), toy_sampled_world(seed), toy_numbered_world(seed),
          toy_preference_world(seed)};
}

std::shared_ptr<World> with_rewards(const std::shared_ptr<const World>& toy,
                                    const std::vector<MadeReward>& rewards, const Random& random) {
  const WorldInfo info = renamed(toy->info(), rewards);
  if (const auto* tabular = dynamic_cast<const TabularWorld*>(toy.get())) {
    return with_table(std::make_shared<TabularCopy>(info, *tabular), rewards, random);
  }
  if (any(rewards, Change::redistributed)) return nullptr;  // nothing is known of other successors
  if (const auto* preference = dynamic_cast<const PreferenceWorld*>(toy.get())) {
    return with_table(std::make_shared<PreferenceCopy>(info, *preference), rewards, random);
  }
  auto copy = std::make_shared<SampledCopy>(toy, dynamic_cast<const SampledWorld&>(*toy));
  copy->description = info;
  copy->made = rewards;
  copy->random = random;
  return copy;
}

std::shared_ptr<World> with_tensors(const std::shared_ptr<const World>& toy, const Each& each) {
  const auto map = [&](auto copy) -> std::shared_ptr<World> {
    copy->map(each);
    return copy;
  };
  if (const auto* tabular = dynamic_cast<const TabularWorld*>(toy.get())) {
    return map(std::make_shared<TabularCopy>(toy->info(), *tabular));
  }
  if (const auto* preference = dynamic_cast<const PreferenceWorld*>(toy.get())) {
    return map(std::make_shared<PreferenceCopy>(toy->info(), *preference));
  }
  return map(std::make_shared<SampledCopy>(toy, dynamic_cast<const SampledWorld&>(*toy)));
}

std::shared_ptr<World> sparse_copy(const World& tabular) {
  auto copy =
      std::make_shared<TabularCopy>(tabular.info(), dynamic_cast<const TabularWorld&>(tabular));
  const std::int64_t S = copy->tau.states, A = copy->tau.actions;
  const at::Tensor flat = copy->tau.dense.reshape({S * A, S});
  const at::Tensor support = (flat > 0).reshape(-1).nonzero().view(-1);
  copy->tau.successors = support % S;
  copy->tau.probabilities = flat.reshape(-1).index_select(0, support);
  copy->tau.offsets = at::zeros({S * A + 1}, at::kLong);
  copy->tau.offsets.narrow(0, 1, S * A).copy_((flat > 0).sum(1).cumsum(0));
  copy->values = copy->values.reshape({copy->values.size(0), -1}).index_select(1, support);
  copy->tau.dense.reset();
  return copy;
}

Observed read_all(const World& world) {
  Observed out;
  out.add("description", world.info().description);
  for (const std::string& name : world.info().rewards) out.add("name of a reward", name);
  if (const auto* tabular = dynamic_cast<const TabularWorld*>(&world)) read(*tabular, out);
  if (const auto* sampled = dynamic_cast<const SampledWorld*>(&world)) {
    read(*sampled, world.info().rewards.size(), out);
  }
  if (const auto* preference = dynamic_cast<const PreferenceWorld*>(&world)) read(*preference, out);
  return out;
}

}  // namespace saffron::testing
