#include "epic_sample.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <utility>
#include <vector>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kTile = 1 << 16;  // transitions that are evaluated together

// Rows of the data for actions and for states, drawn with replacement, apart from each other.
struct Pairs {
  at::Tensor action_row, state_row;  // int64 [M]
};

Pairs draw_pairs(const at::Tensor& rows, std::int64_t count, const Random& random) {
  at::Tensor a = at::empty({count}, at::kLong), s = at::empty({count}, at::kLong);
  const auto bound = static_cast<std::uint64_t>(rows.size(0));
  for (std::int64_t j = 0; j < count; ++j) {
    const auto row = static_cast<std::uint64_t>(j);
    a.mutable_data_ptr<std::int64_t>()[j] = static_cast<std::int64_t>(random.below(bound, row, 0));
    s.mutable_data_ptr<std::int64_t>()[j] = static_cast<std::int64_t>(random.below(bound, row, 1));
  }
  return {rows.index_select(0, a), rows.index_select(0, s)};
}

// One sample of pairs: m of the states of the points and of the pairs, in every resample.
class Replicate {
 public:
  Replicate(const rewards::SampledData& data, const at::Tensor& points, const Pairs& pairs)
      : data_(data), episode_(data.episode.index_select(0, pairs.state_row)) {
    const at::Tensor ends = data.states.index_select(0, pairs.state_row);
    const at::Tensor action = data.actions.index_select(0, pairs.action_row);
    const at::Tensor all =
        at::cat({data.states.index_select(0, points),
                 data.next_states.index_select(0, points).to(ends.scalar_type()), ends});
    const rewards::DistinctRows of_states = rewards::distinct_rows(all);
    const std::int64_t n = points.size(0), M = ends.size(0);
    here_ = of_states.number.narrow(0, 0, n);
    next_ = of_states.number.narrow(0, n, n);
    end_ = of_states.number.narrow(0, 2 * n, M);
    states_ = all.index_select(0, of_states.first);
    const rewards::DistinctRows of_pairs =
        rewards::distinct_rows(at::stack({rewards::distinct_rows(action).number, end_}, 1));
    pair_ = of_pairs.number;
    pair_action_ = action.index_select(0, of_pairs.first);
    pair_next_ = ends.index_select(0, of_pairs.first).to(data.next_states.scalar_type());
  }

  [[nodiscard]] std::int64_t states() const { return states_.size(0); }
  [[nodiscard]] std::int64_t evaluations() const { return states() * pair_next_.size(0); }

  void ask(rewards::NeededTransitions& needed) const {
    in_tiles([&](std::int64_t begin, std::int64_t count) {
      needed.add(left(begin, count), of_pairs(pair_action_, count), of_pairs(pair_next_, count));
    });
  }

  // Evaluates, for every row of weights [B + 1, E]; a pair counts by its state's episode.
  void evaluate(const at::Tensor& weights, const Context& context) {
    const auto R = static_cast<std::int64_t>(data_.names().size());
    const std::int64_t B = weights.size(0), P = pair_next_.size(0);
    const at::Tensor share = shares(weights, pair_, P);
    m_ = at::empty({B, R, states()}, at::kDouble);
    size_ = at::empty({R, states()}, at::kDouble);
    in_tiles([&](std::int64_t begin, std::int64_t count) {
      if (context.cancelled()) throw Error(ErrorKind::cancelled, "stopped");
      context.progress("evaluating rewards", begin, states());
      const at::Tensor r = data_
                               .evaluate(left(begin, count), of_pairs(pair_action_, count),
                                         of_pairs(pair_next_, count))
                               .view({R, count, P});
      size_.narrow(1, begin, count).copy_(at::matmul(r.abs(), share[0]));
      m_.narrow(2, begin, count).copy_(at::matmul(r, share.t()).permute({2, 0, 1}));
    });
    mean_ = at::matmul(m_, shares(weights, end_, states()).unsqueeze(-1));
  }

  // [R, n] of the rewards at the points.
  [[nodiscard]] at::Tensor canonical(const at::Tensor& R, std::int64_t b) const {
    const at::Tensor m = m_[b];
    return R + data_.gamma * m.index_select(1, next_) - m.index_select(1, here_) -
           data_.gamma * mean_[b];
  }
  // The same sums with the absolute value of every term, in the data themselves.
  [[nodiscard]] at::Tensor scale(const at::Tensor& R) const {
    return R.abs() + data_.gamma * size_.index_select(1, next_) + size_.index_select(1, here_) +
           data_.gamma * size_.index_select(1, end_).mean(1, true);
  }

 private:
  // How much of the pairs is of each of `count` kinds: [B + 1, count], rows of sum 1.
  [[nodiscard]] at::Tensor shares(const at::Tensor& weights, const at::Tensor& kind,
                                  std::int64_t count) const {
    const at::Tensor out = at::zeros({weights.size(0), count}, at::kDouble)
                               .index_add_(1, kind, weights.index_select(1, episode_));
    return out / out.sum(1, true);
  }
  template <class Each>
  void in_tiles(const Each& each) const {
    const std::int64_t rows = std::max<std::int64_t>(1, kTile / pair_next_.size(0));
    for (std::int64_t begin = 0; begin < states(); begin += rows) {
      each(begin, std::min(rows, states() - begin));
    }
  }
  [[nodiscard]] at::Tensor left(std::int64_t begin, std::int64_t count) const {
    return states_.narrow(0, begin, count).repeat_interleave(pair_next_.size(0), 0);
  }
  [[nodiscard]] static at::Tensor of_pairs(const at::Tensor& x, std::int64_t count) {
    std::vector<std::int64_t> times(static_cast<std::size_t>(x.dim()), 1);
    times[0] = count;
    return x.repeat(times);
  }

  const rewards::SampledData& data_;
  at::Tensor states_, pair_action_, pair_next_;  // the different states, the different pairs
  at::Tensor here_, next_, end_;                 // numbers of states: [n], [n], [M]
  at::Tensor pair_, episode_;                    // number and episode of each pair: [M]
  at::Tensor m_, mean_, size_;                   // [B + 1, R, X], [B + 1, R, 1], [R, X]
};

// The first estimate, and the two of independent noise where these are asked for.
std::vector<Replicate> replicates_of(const rewards::SampledData& data, const at::Tensor& points,
                                     const EpicSample::Options& options, const Random& random) {
  std::vector<Replicate> out;
  const at::Tensor all = at::arange(data.count(), at::kLong);
  out.emplace_back(data, points, draw_pairs(all, options.pairs, random.fork("pairs")));
  if (!options.estimate.replicates || data.episodes < 2) return out;
  const at::Tensor half = rewards::episode_parts(data.episodes, 2, random.fork("halves"));
  const at::Tensor of_row = half.index_select(0, data.episode);
  for (const int which : {0, 1}) {
    const Random pairs = random.fork("replicate").fork(static_cast<std::uint64_t>(which));
    out.emplace_back(data, points,
                     draw_pairs(at::nonzero(of_row == which).view(-1), options.pairs, pairs));
  }
  return out;
}

void require_memory(const rewards::SampledData& data, const EpicSample::Options& options,
                    const std::vector<Replicate>& replicates) {
  double states = 0;
  for (const Replicate& replicate : replicates) states += static_cast<double>(replicate.states());
  const double mib = static_cast<double>(options.estimate.resamples + 1) *
                     static_cast<double>(data.names().size()) * states * 8 / (1 << 20);
  if (mib <= static_cast<double>(options.memory)) return;
  throw Error(cat("the means of ", data.names().size(), " rewards in ", states, " states and ",
                  options.estimate.resamples, " resamples take ", static_cast<std::int64_t>(mib),
                  " MiB, more than memory = ", options.memory))
      .with_help("fewer transitions, pairs or resamples, or more memory");
}

rewards::EstimatedForm form_of(const rewards::SampledData& data,
                               const std::vector<Replicate>& replicates, const at::Tensor& R,
                               const at::Tensor& weight) {
  rewards::EstimatedForm out;
  out.name = "EPIC_sample";
  out.episodes = data.episodes;
  out.scale = replicates[0].scale(R);
  out.certificate = epic_sample_certificate();
  out.zero = rewards::kShapingAlone;
  out.once = [&replicates, R, weight](std::int64_t b) {
    return rewards::SampledForm{replicates[0].canonical(R, b), {}, weight[b]};
  };
  if (replicates.size() < 3) return out;
  out.twice = [&replicates, R, weight](std::int64_t b) {
    return rewards::SampledForm{replicates[1].canonical(R, b), replicates[2].canonical(R, b),
                                weight[b]};
  };
  return out;
}

}  // namespace

Certificate epic_sample_certificate() {
  Certificate out;
  out.needs = {"drawn transitions", "rewards of transitions that were not drawn"};
  out.invariant_to = {"positive scaling", "potential shaping"};
  out.covers = rewards::kSampledOnly;
  out.caveat =
      "An estimate of EPIC, D_S and D_A being the data's. It reads rewards of transitions that "
      "need "
      "not be possible, and sees how a reward is spread over next states, which no policy's return "
      "does.";
  return out;
}

Schema<EpicSample::Options> EpicSample::schema() {
  return Schema<Options>{}
      .choice("method", &Options::method,
              "\"sample\": means over one sample of actions and next states; \"mesh\": a table of "
              "all drawn states and actions with each other",
              {{"sample", Method::sample}, {"mesh", Method::mesh}})
      .param("transitions", &Options::transitions,
             "of the data, at which \"sample\" compares; all where there are fewer", at_least(2))
      .param("pairs", &Options::pairs, "drawn pairs of an action and a next state", at_least(2))
      .param("states", &Options::states, "the states of a \"mesh\"", at_least(2))
      .param("actions", &Options::actions, "the actions of a \"mesh\"", at_least(1))
      .param("memory", &Options::memory, "that means or a mesh may take", at_least(1), unit("MiB"))
      .include(&Options::estimate, rewards::SampleOptions::schema());
}

Comparison EpicSample::compare(const World& world) {
  const rewards::SampledData data = rewards::read_samples(world, "epic_sample");
  if (options_.method == Method::mesh) return epic_on_mesh(data, options_, context_);
  const Random random = context_.random("epic sample");
  const at::Tensor points =
      rewards::random_rows(data.count(), options_.transitions, random.fork("points"));
  std::vector<Replicate> replicates = replicates_of(data, points, options_, random);
  require_memory(data, options_, replicates);
  rewards::NeededTransitions needed(data);
  for (const Replicate& replicate : replicates) replicate.ask(needed);
  needed.require_known(context_);
  const at::Tensor weights = rewards::episode_weights(data.episodes, options_.estimate.resamples,
                                                      context_.random("resamples"));
  std::int64_t evaluations = 0;
  for (Replicate& replicate : replicates) {
    replicate.evaluate(weights, context_);
    evaluations += replicate.evaluations();
  }
  const at::Tensor each = weights.index_select(1, data.episode.index_select(0, points));
  const rewards::EstimatedForm form =
      form_of(data, replicates, data.rewards.index_select(1, points), each / each.sum(1, true));
  Comparison out;
  rewards::add_estimates(out, form, data.names(), options_.estimate);
  out.report.blocks.push_back(rewards::form_sizes(form, data));
  out.report.blocks.push_back(
      {.title = "EPIC_sample: what was evaluated",
       .caption = "",
       .body = TextBlock{cat(points.size(0), " of ", data.count(), " transitions of ",
                             data.episodes, " episodes; ", evaluations,
                             " evaluations of each reward in ", replicates[0].states(),
                             " different states", replicates.size() > 1 ? " and more" : "", ".")}});
  return out;
}

}  // namespace saffron::plugins
