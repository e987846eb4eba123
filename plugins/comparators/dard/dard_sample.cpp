#include "dard_sample.h"

#include "successors.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>

#include <functional>
#include <utility>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kTile = 1 << 16;  // transitions that are evaluated together

using Visit = std::function<void(const at::Tensor&, const at::Tensor&, const at::Tensor&)>;

// Canonical rewards at the points of one replicate.
class Replicate {
 public:
  // Points are rows of the data whose states have all successors.
  Replicate(const Successors& successors, Successors::Draw draw, const at::Tensor& points,
            bool independent)
      : successors_(successors), draw_(std::move(draw)), independent_(independent) {
    const at::Tensor here = successors.here().index_select(0, points);
    const at::Tensor next = successors.next().index_select(0, points);
    const at::Tensor pairs = at::stack({here, next}, 1);
    const rewards::DistinctRows of_pairs = rewards::distinct_rows(pairs);
    pair_ = of_pairs.number;
    from_ = here.index_select(0, of_pairs.first);
    to_ = next.index_select(0, of_pairs.first);
    const rewards::DistinctRows of_states = rewards::distinct_rows(here, next);
    const std::int64_t n = points.size(0);
    here_ = of_states.number.narrow(0, 0, n);
    next_ = of_states.number.narrow(0, n, n);
    const at::Tensor both = at::stack({here, next}).view(-1);
    states_ = both.index_select(0, of_states.first);
  }

  [[nodiscard]] std::int64_t evaluations() const {
    const std::int64_t K = draws();
    return states_.size(0) * K + from_.size(0) * two_step_draws();
  }

  void ask(rewards::NeededTransitions& needed) const {
    const Visit add = [&](const at::Tensor& s, const at::Tensor& a, const at::Tensor& next) {
      successors_.ask(needed, s, a, next);
    };
    one_step(add);
    two_steps(add);
  }

  // Asks the world for all rewards that the means are of.
  void evaluate() {
    one_step_ = evaluated([&](const Visit& each) { one_step(each); }, draws());
    two_steps_ = evaluated([&](const Visit& each) { two_steps(each); }, two_step_draws());
  }

  struct Means {
    at::Tensor m, third;  // [R, X], [R, pairs]
  };
  // Of R, or else of |R|, each draw counting by its share [K].
  [[nodiscard]] Means means(const at::Tensor& share, bool of_sizes) const {
    at::Tensor both = share;
    if (independent_) {
      const at::Tensor of_action = share.view({-1, 2}).sum(1);
      both = at::matmul(of_action.unsqueeze(1), of_action.unsqueeze(0)).view(-1).repeat({2}) / 2;
    }
    const auto mean = [&](const at::Tensor& x, const at::Tensor& by) {
      return at::matmul(of_sizes ? x.abs() : x, by);
    };
    return {mean(one_step_, share), mean(two_steps_, both)};
  }

  // R + gamma m(s') - m(s) - gamma t(s, s'), or, with sign = 1, the sum of the four.
  [[nodiscard]] at::Tensor canonical(const at::Tensor& R, const Means& of, double gamma,
                                     double sign) const {
    return R + gamma * of.m.index_select(1, next_) + sign * of.m.index_select(1, here_) +
           sign * gamma * of.third.index_select(1, pair_);
  }

 private:
  [[nodiscard]] std::int64_t draws() const { return draw_.action_row.size(0); }
  [[nodiscard]] std::int64_t two_step_draws() const {
    return independent_ ? draws() * draws() / 2 : draws();
  }

  // (x, a_k, x'_k) of every state, k running fastest.
  void one_step(const Visit& each) const {
    in_tiles(states_.size(0), draws(), [&](const at::Tensor& rows) {
      const at::Tensor x = states_.index_select(0, rows);
      each(x.repeat_interleave(draws()), draw_.action_row.repeat({x.size(0)}),
           draw_.next.index_select(0, x).view(-1));
    });
  }

  // (s_k, a_l, s'_l) of every pair, l running fastest, and k = l unless they are independent. s_k and s'_l
  // are of different ones of each action's two draws: in a transition that stays in its state, a draw
  // would follow itself.
  void two_steps(const Visit& each) const {
    const std::int64_t K = draws() / 2, per_pair = two_step_draws();
    const at::Tensor other =
        draw_.next.index_select(1, at::arange(2 * K, at::kLong).bitwise_xor(1));
    const at::Tensor actions =
        independent_ ? draw_.action_row.slice(0, 0, 2 * K, 2) : draw_.action_row;
    in_tiles(from_.size(0), per_pair, [&](const at::Tensor& rows) {
      const std::int64_t n = rows.size(0);
      at::Tensor left = draw_.next.index_select(0, from_.index_select(0, rows));
      at::Tensor right = other.index_select(0, to_.index_select(0, rows));
      if (independent_) {
        const std::vector<std::int64_t> all = {n, 2, K, K};
        left = left.view({n, K, 2}).transpose(1, 2).unsqueeze(3).expand(all);
        right = right.view({n, K, 2}).transpose(1, 2).unsqueeze(2).expand(all);
      }
      each(left.reshape({-1}), actions.repeat({n * per_pair / actions.size(0)}),
           right.reshape({-1}));
    });
  }

  static void in_tiles(std::int64_t count, std::int64_t each,
                       const std::function<void(const at::Tensor&)>& visit) {
    const std::int64_t rows = std::max<std::int64_t>(1, kTile / each);
    for (std::int64_t begin = 0; begin < count; begin += rows) {
      visit(at::arange(begin, std::min(count, begin + rows), at::kLong));
    }
  }

  // R of what is visited, so many neighbours together: [R, groups, count].
  [[nodiscard]] at::Tensor evaluated(const std::function<void(const Visit&)>& visit,
                                     std::int64_t count) const {
    std::vector<at::Tensor> parts;
    visit([&](const at::Tensor& s, const at::Tensor& a, const at::Tensor& next) {
      const at::Tensor r = successors_.evaluate(s, a, next);
      parts.push_back(r.view({r.size(0), -1, count}));
    });
    return at::cat(parts, 1);
  }

  const Successors& successors_;
  Successors::Draw draw_;
  bool independent_;
  at::Tensor pair_, from_, to_;      // [n]; [pairs] numbers of states
  at::Tensor here_, next_, states_;  // [n] among the different states; [X] their numbers
  at::Tensor one_step_;              // R(x, a_k, x'_k) [R, X, K]
  at::Tensor two_steps_;             // R(s_k, a_l, s'_l) [R, pairs, two_step_draws()]
};

// Rows of the data, in their order, at which all draws know what follows both states.
at::Tensor points_of(const Successors& successors, const std::vector<Successors::Draw>& draws,
                     std::int64_t count, const Random& random) {
  at::Tensor whole = at::ones({successors.states()}, at::kBool);
  for (const Successors::Draw& draw : draws) whole = whole.logical_and(draw.whole);
  const at::Tensor usable = at::nonzero(whole.index_select(0, successors.here())
                                            .logical_and(whole.index_select(0, successors.next())))
                                .view(-1);
  return usable.index_select(0, rewards::random_rows(usable.size(0), count, random));
}

Certificate certify() {
  Certificate out;
  out.needs = {"drawn transitions of states that come again",
               "rewards of transitions that were not drawn"};
  out.invariant_to = {"positive scaling", "potential shaping"};
  out.covers = rewards::kSampledOnly;
  out.caveat =
      "An estimate of DARD, what follows a state being what followed it in the data. It reads "
      "rewards of transitions that need not be possible, and sees how a reward is spread over next "
      "states, which no policy's return does.";
  return out;
}

[[noreturn]] void nothing_covered(const rewards::SampledData& data, std::int64_t draws) {
  throw Error(cat("no transition is covered: of none of ", data.count(),
                  " is it known what follows both of its states by each of ", draws,
                  " drawn actions"))
      .with_help(
          "DARD needs states and actions that come again: draw more transitions, number states "
          "more coarsely, or take epic_sample or ls_minimal");
}

// What all readings share: the draws, and the points where they are known.
class Sample {
 public:
  Sample(const rewards::SampledData& data, const DardSample::Options& options,
         const Context& context)
      : data_(data),
        successors_(data),
        weights_(rewards::episode_weights(data.episodes, options.estimate.resamples,
                                          context.random("resamples"))) {
    const Random random = context.random("dard sample");
    const auto draw = [&](const at::Tensor& episodes, const char* purpose) {
      draws_.push_back(successors_.draw(episodes, options.draws, random.fork(purpose)));
      const at::Tensor times =
          rewards::episode_weights(options.draws, options.estimate.resamples,
                                   context.random("resampled draws").fork(purpose));
      shares_.push_back((times / times.sum(1, true)).repeat_interleave(2, 1) / 2);
    };
    draw(at::ones({data.episodes}, at::kBool), "draws");
    points_.push_back(points_of(successors_, draws_, options.transitions, random.fork("points")));
    if (points_[0].size(0) == 0) nothing_covered(data, options.draws);
    if (!options.estimate.replicates || data.episodes < 2) return;
    const at::Tensor first = rewards::episode_parts(data.episodes, 2, random.fork("halves")) == 0;
    draw(first, "first half");
    draw(first.logical_not(), "second half");
    // What one half lacks costs the replicates points, not the first estimate.
    points_.push_back(
        points_of(successors_, {draws_[1], draws_[2]}, options.transitions, random.fork("points")));
  }

  void add_reading(Comparison& out, bool independent, const DardSample::Options& options,
                   const Context& context) {
    std::vector<Replicate> replicates;
    for (std::size_t k = 0; k < (twice() ? 3U : 1U); ++k) {
      replicates.emplace_back(successors_, draws_[k], points(k), independent);
      evaluations_ += replicates.back().evaluations();
    }
    rewards::NeededTransitions needed(data_);
    for (const Replicate& replicate : replicates) replicate.ask(needed);
    needed.require_known(context);
    rewards::EstimatedForm form;
    form.name = independent ? "DARD_indepA_sample" : "DARD_sample";
    form.episodes = data_.episodes;
    form.certificate = certify();
    form.zero = rewards::kShapingAlone;
    for (Replicate& replicate : replicates) replicate.evaluate();
    form.scale = replicates[0].canonical(data_.rewards.index_select(1, points(0)).abs(),
                                         replicates[0].means(shares_[0][0], true), data_.gamma, 1);
    const auto canonical = [&](std::size_t k, std::int64_t b) {
      return replicates[k].canonical(data_.rewards.index_select(1, points(k)),
                                     replicates[k].means(shares_[k][b], false), data_.gamma, -1);
    };
    form.once = [&](std::int64_t b) {
      return rewards::SampledForm{canonical(0, b), {}, weight(0, b)};
    };
    if (twice()) {
      form.twice = [&](std::int64_t b) {
        return rewards::SampledForm{canonical(1, b), canonical(2, b), weight(1, b)};
      };
    }
    rewards::add_estimates(out, form, data_.names(), options.estimate);
    out.report.blocks.push_back(rewards::form_sizes(form, data_));
  }

  [[nodiscard]] std::string words() const {
    return cat(points_[0].size(0), " of ", data_.count(), " transitions of ", data_.episodes,
               " episodes, ", twice() ? points_[1].size(0) : 0, " for the replicates; ",
               successors_.states(), " different states; ", evaluations_,
               " evaluations of each reward.");
  }

 private:
  [[nodiscard]] bool twice() const { return points_.size() == 2 && points_[1].size(0) > 0; }
  // Of the first estimate, and of its two replicates.
  [[nodiscard]] const at::Tensor& points(std::size_t k) const { return points_[k == 0 ? 0 : 1]; }
  [[nodiscard]] at::Tensor weight(std::size_t k, std::int64_t b) const {
    const at::Tensor w = weights_[b].index_select(0, data_.episode.index_select(0, points(k)));
    return w / w.sum();
  }

  const rewards::SampledData& data_;
  Successors successors_;
  at::Tensor weights_;
  std::vector<Successors::Draw> draws_;
  std::vector<at::Tensor> shares_;  // of each of a replicate's draws in each resample: [B + 1, K]
  std::vector<at::Tensor> points_;
  std::int64_t evaluations_ = 0;
};

}  // namespace

Schema<DardSample::Options> DardSample::schema() {
  return Schema<Options>{}
      .param("transitions", &Options::transitions,
             "of the data, at which rewards are compared; all where there are fewer", at_least(2))
      .param("draws", &Options::draws, "actions, and two successors of every state by each",
             at_least(1))
      .param("actions", &Options::actions,
             "\"shared\" for DARD_sample, with one action for both steps, \"independent\" for "
             "DARD_indepA_sample, with one of its own for each; or both",
             one_of({"shared", "independent"}))
      .include(&Options::estimate, rewards::SampleOptions::schema())
      .check([](const Options& o) { return rewards::check_distinct("actions", o.actions); });
}

Comparison DardSample::compare(const World& world) {
  const rewards::SampledData data = rewards::read_samples(world, "dard_sample");
  Sample sample(data, options_, context_);
  Comparison out;
  for (const std::string& word : options_.actions) {
    sample.add_reading(out, word == "independent", options_, context_);
  }
  out.report.blocks.push_back({.title = "DARD_sample: what was evaluated",
                               .caption = "",
                               .body = TextBlock{sample.words()}});
  return out;
}

}  // namespace saffron::plugins
