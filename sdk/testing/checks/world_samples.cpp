#include "testing/checks/world.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <set>

namespace saffron::testing {
namespace {

constexpr double kRowwise = 1e-9;   // another kernel may sum in another order
constexpr double kAboveOne = 1e-4;  // of probabilities whose logarithms came as float32

// The world's transitions with the successors of others, which is what canonicalisations ask for: those of them
// whose rewards are known, or, where none are, its own.
struct Asked {
  at::Tensor states, actions, next_states;
  explicit Asked(const SampledWorld& world)
      : states(world.states().clone()),
        actions(world.actions().clone()),
        next_states(world.next_states().roll(1, 0)) {}

  [[nodiscard]] static Asked known(const SampledWorld& world) {
    Asked asked(world);
    const auto* table = dynamic_cast<const KnownTransitions*>(&world);
    if (table == nullptr) return asked;
    const at::Tensor rows = asked.known_by(*table).nonzero().view(-1);
    if (rows.numel() == 0) {
      asked.next_states = world.next_states().clone();
      return asked;
    }
    return asked.rows(rows);
  }
  [[nodiscard]] at::Tensor known_by(const KnownTransitions& table) const {
    const at::Tensor known = table.known(states.clone(), actions.clone(), next_states.clone());
    if (known.defined() && known.scalar_type() == at::kBool && known.dim() == 1 &&
        known.size(0) == states.size(0)) {
      return known;
    }
    fail(cat("known() of ", states.size(0), " transitions is ", describe(known), ", not bool [",
             states.size(0), "]"));
  }
  [[nodiscard]] Asked rows(const at::Tensor& indices) const {
    Asked out = *this;
    for (at::Tensor* x : {&out.states, &out.actions, &out.next_states}) {
      *x = x->index_select(0, indices);
    }
    return out;
  }
  [[nodiscard]] at::Tensor evaluate(const SampledWorld& world, std::int64_t reward,
                                    std::int64_t begin, std::int64_t end) const {
    const auto rows = [&](const at::Tensor& x) { return x.slice(0, begin, end).clone(); };
    return world.evaluate(reward, rows(states), rows(actions), rows(next_states));
  }
  [[nodiscard]] at::Tensor evaluate(const SampledWorld& world, std::int64_t reward) const {
    return evaluate(world, reward, 0, states.size(0));
  }
};

}  // namespace

Verdict evaluates_any_transition(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& sampled = needed<SampledWorld>(*world, "sampled world");
  const Asked asked = Asked::known(sampled);
  for (std::size_t i = 0; i < world->info().rewards.size(); ++i) {
    const std::string& name = world->info().rewards[i];
    const at::Tensor r = asked.evaluate(sampled, static_cast<std::int64_t>(i));
    if (!r.defined() || r.dim() != 1 || r.size(0) != asked.states.size(0)) {
      fail(cat("reward '", name, "' of ", asked.states.size(0), " transitions is ", describe(r)));
    }
    if (!all_finite(r)) {
      fail(cat("reward '", name, "' is not finite for states with other states' successors"));
    }
  }
  return {};
}

Verdict evaluation_batching_invariant(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& sampled = needed<SampledWorld>(*world, "sampled world");
  const Asked all = Asked::known(sampled);
  const std::int64_t rows = std::min<std::int64_t>(all.states.size(0), 16);
  for (std::size_t i = 0; i < world->info().rewards.size(); ++i) {
    const auto reward = static_cast<std::int64_t>(i);
    const at::Tensor together = all.evaluate(sampled, reward);
    if (together.dim() != 1) skip("evaluate returns no vector: see evaluates-any-transition");
    std::vector<at::Tensor> single;
    for (std::int64_t n = 0; n < rows; ++n) {
      single.push_back(all.evaluate(sampled, reward, n, n + 1));
    }
    const double apart = distance(together.slice(0, 0, rows), at::cat(single));
    if (apart > kRowwise) {
      fail(cat("reward '", world->info().rewards[i], "' of a transition depends on the others in ",
               "the call: apart by ", apart));
    }
  }
  return {};
}

// A table says which transitions it knows, its own among them, and nothing of the others.
Verdict unknown_transitions_refused(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& sampled = needed<SampledWorld>(*world, "sampled world");
  const auto* table = dynamic_cast<const KnownTransitions*>(&sampled);
  if (table == nullptr) skip("knows its rewards of every transition");
  Asked own(sampled);
  own.next_states = sampled.next_states().clone();
  if (!own.known_by(*table).all().item<bool>()) fail("a transition of its data is not known to it");
  const Asked asked(sampled);
  const at::Tensor unknown = asked.known_by(*table).logical_not().nonzero().view(-1);
  if (unknown.numel() == 0) skip("it knows all of its states with other states' successors");
  try {
    static_cast<void>(asked.rows(unknown).evaluate(sampled, 0));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::data) return {};
    fail(cat("a transition that is not known is refused as another kind of error than data: ",
             error.what()));
  }
  fail("a transition that is not known has a reward all the same");
}

Verdict episodes_follow_each_other(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& sampled = needed<SampledWorld>(*world, "sampled world");
  const at::Tensor episodes = sampled.episodes().to(at::kLong).contiguous();
  const at::Tensor terminal = sampled.terminal().to(at::kBool).contiguous();
  if (episodes.dim() != 1 || terminal.sizes() != episodes.sizes()) {
    skip("has no episode or end for each transition: see table-shapes");
  }
  const auto* episode = episodes.const_data_ptr<std::int64_t>();
  std::set<std::int64_t> ended;
  for (std::int64_t i = 1; i < episodes.size(0); ++i) {
    if (episode[i] == episode[i - 1]) {
      if (!terminal.const_data_ptr<bool>()[i - 1]) continue;
      fail(cat("transition ", i, " follows the terminal one of its episode, ", episode[i]));
    }
    ended.insert(episode[i - 1]);
    if (ended.contains(episode[i])) {
      fail(cat("transition ", i, " is of episode ", episode[i], ", which had ended before"));
    }
  }
  return {};
}

Verdict prompts_are_sorted(const Subject& subject) {
  const auto world = made<World>(subject);
  const at::Tensor prompts =
      needed<PreferenceWorld>(*world, "preference world").prompts().to(at::kLong).contiguous();
  const auto* p = prompts.const_data_ptr<std::int64_t>();
  if (prompts.numel() == 0) fail("there are no prompts");
  if (p[0] != 0) fail(cat("the first prompt is ", p[0], ": they are 0..P-1, sorted"));
  for (std::int64_t i = 1; i < prompts.numel(); ++i) {
    if (p[i] == p[i - 1] || p[i] == p[i - 1] + 1) continue;
    fail(cat("prompt ", p[i], " at response ", i, " follows prompt ", p[i - 1],
             ": they are 0..P-1, sorted"));
  }
  return {};
}

Verdict prompts_offer_a_choice(const Subject& subject) {
  const auto world = made<World>(subject);
  const at::Tensor& prompts = needed<PreferenceWorld>(*world, "preference world").prompts();
  const at::Tensor numbers = prompts.to(at::kLong);
  if (numbers.numel() == 0 || numbers.min().item<std::int64_t>() < 0) {
    skip("its prompts are no numbers from 0: see prompts-are-sorted");
  }
  const at::Tensor responses = numbers.bincount();
  const at::Tensor lonely = (responses == 1).nonzero().view(-1);
  if (lonely.numel() == 0) return {};
  fail(
      cat("prompt ", lonely[0].item<std::int64_t>(), " has one response: nothing can be compared"));
}

Verdict reference_is_log_probability(const Subject& subject) {
  const auto world = made<World>(subject);
  const at::Tensor& log = needed<PreferenceWorld>(*world, "preference world").log_reference();
  if (!log.defined()) skip("has no reference policy");
  if (!(log <= 0).all().item<bool>()) {
    fail("a log probability of the reference policy is above 0, or not a number");
  }
  return {};
}

// The responses are different ones.
Verdict reference_sums_to_one_at_most(const Subject& subject) {
  const auto world = made<World>(subject);
  const auto& preference = needed<PreferenceWorld>(*world, "preference world");
  const at::Tensor& log = preference.log_reference();
  if (!log.defined()) skip("has no reference policy");
  if (!(log <= 0).all().item<bool>()) skip("see reference-is-log-probability");
  const at::Tensor prompts = preference.prompts().to(at::kLong);
  if (prompts.sizes() != log.sizes() || prompts.min().item<std::int64_t>() < 0) {
    skip("its prompts are no numbers from 0, one a response: see prompts-are-sorted, table-shapes");
  }
  const at::Tensor sums = at::zeros({prompts.max().item<std::int64_t>() + 1}, at::kDouble)
                              .index_add(0, prompts, log.to(at::kDouble).exp());
  const at::Tensor above = (sums > 1 + kAboveOne).nonzero().view(-1);
  if (above.numel() == 0) return {};
  const auto prompt = above[0].item<std::int64_t>();
  fail(cat("the responses to prompt ", prompt, " have a probability of ",
           sums[prompt].item<double>(), " together"));
}

}  // namespace saffron::testing
