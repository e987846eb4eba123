#include "random_mdp.h"

#include <saffron/error.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {
namespace {

constexpr double kMostEntries = 1 << 30;  // of all tables together: 8 GiB

// The authors raise both thresholds with S by hand, for their 32, 64 and 128 states.
double by_states(std::int64_t states, double few, double more, double many) {
  return states < 50 ? few : states < 100 ? more : many;
}

at::Tensor normal_cube(const RandomMdp::Options& o, const Random& random) {
  return random.normal_rows(0, o.states * o.actions, o.states, at::kDouble)
      .view({o.states, o.actions, o.states});
}

at::Tensor draw_transitions(const RandomMdp::Options& o, const Random& random) {
  const double threshold = o.threshold.value_or(by_states(o.states, 1, 1.5, 1.8));
  const at::Tensor x = normal_cube(o, random);
  return x.masked_fill_(x <= threshold, o.low).softmax(-1);
}

at::Tensor draw_reward(const RandomMdp::Options& o, const Random& random) {
  // One row of draws a step: whether it is taken, and the numbers that it takes.
  enum Step : std::uint64_t { sparse, scaled, shifted, shaped };
  const Random steps = random.fork("steps");
  const auto taken = [&](Step step, double probability) {
    return steps.uniform(step) < probability;
  };
  at::Tensor r = normal_cube(o, random.fork("entries"));
  if (taken(sparse, o.sparse)) {
    r.masked_fill_(r <= o.sparse_threshold.value_or(by_states(o.states, 3, 3.5, 3.8)), 0);
  }
  if (taken(scaled, o.scaled)) r.mul_(o.scale * steps.uniform(scaled, 1));
  if (taken(shifted, o.shifted)) r.add_(o.shift * steps.uniform(shifted, 1));
  if (taken(shaped, o.shaped)) {
    const at::Tensor phi =
        random.fork("potential").normal_rows(0, 1, o.states, at::kDouble).view(-1) *
            (o.potential_scale * steps.uniform(shaped, 1)) +
        o.potential_shift * steps.uniform(shaped, 2);
    r.add_(o.gamma * phi.view({1, 1, -1}) - phi.view({-1, 1, 1}));
  }
  return r;
}

std::string check(const RandomMdp::Options& o) {
  const double between = o.interpolate > 1 ? static_cast<double>(o.interpolate - 1) / 2 : 0;
  const double tables = 1 + static_cast<double>(o.rewards) * (1 + between);
  const auto S = static_cast<double>(o.states), A = static_cast<double>(o.actions);
  if (S * A * S * tables > kMostEntries) {
    return cat(o.states, " states, ", o.actions, " actions and ", tables - 1,
               " rewards would take more than 8 GiB");
  }
  if (o.interpolate > 1 && o.rewards % 2 != 0) {
    return cat("interpolate goes by pairs, and there are ", o.rewards, " rewards");
  }
  return {};
}

}  // namespace

// Member 0 is what a world by itself is.
MdpTables RandomMdp::draw(const Options& o, const Source& source, std::int64_t member) {
  const auto of = [](const Random& random, std::int64_t number) {
    return number == 0 ? random : random.fork("member").fork(static_cast<std::uint64_t>(number));
  };
  MdpTables out;
  out.gamma = at::full({}, o.gamma, at::kDouble);
  out.mu0 = at::full({o.states}, 1.0 / static_cast<double>(o.states), at::kDouble);
  out.tau = draw_transitions(o, of(source.transitions, member / o.draws));
  const Random random = of(source.rewards, member);
  for (std::int64_t i = 0; i < o.rewards; ++i) {
    at::Tensor r = draw_reward(o, random.fork(static_cast<std::uint64_t>(i)));
    const std::string name = cat("r", i);
    if (i % 2 == 1 && o.interpolate > 1) {
      const std::string first_name = out.rewards.back().first;
      const at::Tensor first = out.rewards.back().second;
      for (std::int64_t step = 1; step < o.interpolate; ++step) {
        const double share = static_cast<double>(step) / static_cast<double>(o.interpolate);
        out.rewards.emplace_back(cat(first_name, " to ", name, ", ", step, "/", o.interpolate),
                                 first + share * (r - first));
      }
    }
    out.rewards.emplace_back(name, std::move(r));
  }
  return out;
}

Schema<RandomMdp::Options> RandomMdp::schema() {
  return Schema<Options>{}
      .param("states", &Options::states, "S", at_least(1))
      .param("actions", &Options::actions, "A", at_least(1))
      .param("gamma", &Options::gamma, "discount", below_one())
      .param(
          "threshold", &Options::threshold,
          "normal draws above it are what may follow; 1 below 50 states, 1.5 below 100, else 1.8")
      .param("low", &Options::low,
             "what stands for the others in the softmax: at -20 they follow with some 1e-9, not 0")
      .param("rewards", &Options::rewards, "number of rewards drawn", at_least(1))
      .param("interpolate", &Options::interpolate,
             "steps from the first to the second reward of each pair; published: 16. 0: none",
             at_least(0))
      .param("sparse", &Options::sparse,
             "probability that a reward keeps its largest entries alone", fraction())
      .param("sparse_threshold", &Options::sparse_threshold,
             "what those are above; 3 below 50 states, 3.5 below 100, else 3.8")
      .param("scaled", &Options::scaled, "probability that a reward is multiplied", fraction())
      .param("scale", &Options::scale, "by a number between 0 and this", non_negative())
      .param("shifted", &Options::shifted, "probability that a number is added to a reward",
             fraction())
      .param("shift", &Options::shift, "between 0 and this", non_negative())
      .param("shaped", &Options::shaped, "probability that a reward is shaped by a potential",
             fraction())
      .param("potential_scale", &Options::potential_scale,
             "the potential's standard deviation is between 0 and this", non_negative())
      .param("potential_shift", &Options::potential_shift, "its mean is between 0 and this",
             non_negative())
      .param(
          "environments", &Options::environments,
          "environments of a family, which `regret_correlation` compares in; published: 128. The "
          "world of all other comparators is the first",
          at_least(1))
      .param("draws", &Options::draws,
             "sets of rewards in each environment, one a member of the family; published: 8",
             at_least(1))
      .check(check);
}

RandomMdp::RandomMdp(const Options& options, const Context& context)
    : RandomMdp(options, {context.random("transitions"), context.random("rewards")}, 0) {}

RandomMdp::RandomMdp(const Options& options, Source source, std::int64_t member)
    : TableWorld(draw(options, source, member), "random_mdp",
                 options.environments * options.draws > 1
                     ? cat("random MDP, ", options.environments, " environments, ", options.draws,
                           " draws of rewards in each, of which this is number ", member)
                     : "random MDP"),
      options_(options),
      source_(source) {}

std::unique_ptr<World> RandomMdp::member(std::int64_t i) const {
  return std::unique_ptr<World>(new RandomMdp(options_, source_, i));
}

}  // namespace saffron::plugins
