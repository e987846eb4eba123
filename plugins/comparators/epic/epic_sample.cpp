#include "epic_sample.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/nonzero.h>
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

// m of every state that counts, in every resample.
class StateMeans {
 public:
  // `states` are the different states.
  StateMeans(const rewards::SampledData& data, at::Tensor states, const Pairs& pairs)
      : data_(data), states_(std::move(states)) {
    const at::Tensor next = data.states.index_select(0, pairs.state_row);
    const at::Tensor action = data.actions.index_select(0, pairs.action_row);
    const at::Tensor as_rows = at::cat({action.to(at::kDouble).reshape({action.size(0), -1}),
                                        next.to(at::kDouble).reshape({next.size(0), -1})},
                                       1);
    const rewards::DistinctRows once = rewards::distinct_rows(as_rows);
    pair_ = once.number;
    actions_ = action.index_select(0, once.first);
    next_ = next.index_select(0, once.first).to(data.next_states.scalar_type());
    episode_ = data.episode.index_select(0, pairs.state_row);
  }

  [[nodiscard]] std::int64_t evaluations() const { return states_.size(0) * next_.size(0); }

  void ask(rewards::NeededTransitions& needed) const {
    in_tiles([&](std::int64_t begin, std::int64_t count) {
      needed.add(left(begin, count), of_pairs(actions_, count), of_pairs(next_, count));
    });
  }

  // How much each pair counts [B + 1, M]: by its state's episode.
  [[nodiscard]] at::Tensor pair_weights(const at::Tensor& weights) const {
    return weights.index_select(1, episode_);
  }

  // m [B + 1, R, X], and of |R| in the data themselves [R, X].
  std::pair<at::Tensor, at::Tensor> means(const at::Tensor& weights, const Context& context) const {
    const auto R = static_cast<std::int64_t>(data_.names().size());
    const std::int64_t B = weights.size(0), X = states_.size(0), P = next_.size(0);
    const at::Tensor each = pair_weights(weights);
    at::Tensor share = at::zeros({B, P}, at::kDouble).index_add_(1, pair_, each);
    share = share / share.sum(1, true);
    at::Tensor m = at::empty({B, R, X}, at::kDouble), size = at::empty({R, X}, at::kDouble);
    in_tiles([&](std::int64_t begin, std::int64_t count) {
      if (context.cancelled()) throw Error(ErrorKind::cancelled, "stopped");
      context.progress("evaluating rewards", begin, X);
      const at::Tensor r =
          data_.evaluate(left(begin, count), of_pairs(actions_, count), of_pairs(next_, count))
              .view({R, count, P});
      size.narrow(1, begin, count).copy_(at::matmul(r.abs(), share[0]));
      m.narrow(2, begin, count).copy_(at::matmul(r, share.t()).permute({2, 0, 1}));
    });
    return {m, size};
  }

 private:
  template <class Each>
  void in_tiles(const Each& each) const {
    const std::int64_t X = states_.size(0);
    const std::int64_t rows = std::max<std::int64_t>(1, kTile / next_.size(0));
    for (std::int64_t begin = 0; begin < X; begin += rows) {
      each(begin, std::min(rows, X - begin));
    }
  }
  [[nodiscard]] at::Tensor left(std::int64_t begin, std::int64_t count) const {
    return states_.narrow(0, begin, count).repeat_interleave(next_.size(0), 0);
  }
  [[nodiscard]] static at::Tensor of_pairs(const at::Tensor& x, std::int64_t count) {
    std::vector<std::int64_t> times(static_cast<std::size_t>(x.dim()), 1);
    times[0] = count;
    return x.repeat(times);
  }

  const rewards::SampledData& data_;
  at::Tensor states_, actions_, next_;  // different states; different pairs
  at::Tensor pair_, episode_;           // [M]
};

// The points, the pairs of one or two replicates, and which of the different states each has.
class Sampled {
 public:
  Sampled(const rewards::SampledData& data, const EpicSample::Options& options,
          const Context& context)
      : data_(data), gamma_(data.gamma) {
    const Random random = context.random("epic sample");
    points_ = rewards::random_rows(data.count(), options.transitions, random.fork("points"));
    const at::Tensor all = at::arange(data.count(), at::kLong);
    pairs_.push_back(draw_pairs(all, options.pairs, random.fork("pairs")));
    if (options.estimate.replicates && data.episodes >= 2) {
      const at::Tensor half = rewards::episode_parts(data.episodes, 2, random.fork("halves"));
      const at::Tensor of_row = half.index_select(0, data.episode);
      for (const int which : {0, 1}) {
        pairs_.push_back(
            draw_pairs(at::nonzero(of_row == which).view(-1), options.pairs,
                       random.fork("replicate").fork(static_cast<std::uint64_t>(which))));
      }
    }
    number_states();
  }

  [[nodiscard]] std::int64_t evaluations() const {
    std::int64_t out = 0;
    for (const StateMeans& of : means_) out += of.evaluations();
    return out;
  }
  [[nodiscard]] std::int64_t points() const { return points_.size(0); }
  [[nodiscard]] std::int64_t states() const { return different_; }

  void ask(rewards::NeededTransitions& needed) const {
    for (const StateMeans& of : means_) of.ask(needed);
  }

  // Evaluates, for every row of weights [B + 1, E].
  void evaluate(const at::Tensor& weights, const Context& context) {
    weight_ = weights.index_select(1, data_.episode.index_select(0, points_));
    weight_ = weight_ / weight_.sum(1, true);
    R_ = data_.rewards.index_select(1, points_);
    for (std::size_t k = 0; k < means_.size(); ++k) {
      auto [m, size] = means_[k].means(weights, context);
      const at::Tensor share = means_[k].pair_weights(weights);
      const at::Tensor mean =
          (m.index_select(2, ends_[k]) * (share / share.sum(1, true)).unsqueeze(1)).sum(2);
      if (k == 0) {
        scale_ = R_.abs() + gamma_ * size.index_select(1, next_) + size.index_select(1, here_) +
                 gamma_ * size.index_select(1, ends_[0]).mean(1, true);
      }
      m_.push_back(m);
      mean_.push_back(mean);
    }
  }

  [[nodiscard]] rewards::EstimatedForm form() const {
    rewards::EstimatedForm out;
    out.name = "EPIC_sample";
    out.episodes = data_.episodes;
    out.scale = scale_;
    out.certificate = epic_sample_certificate();
    out.zero = rewards::kShapingAlone;
    out.once = [this](std::int64_t b) {
      return rewards::SampledForm{canonical(0, b), {}, weight_[b]};
    };
    if (m_.size() == 3) {
      out.twice = [this](std::int64_t b) {
        return rewards::SampledForm{canonical(1, b), canonical(2, b), weight_[b]};
      };
    }
    return out;
  }

 private:
  void number_states() {
    std::vector<at::Tensor> rows = {
        data_.states.index_select(0, points_),
        data_.next_states.index_select(0, points_).to(data_.states.scalar_type())};
    for (const Pairs& pairs : pairs_) rows.push_back(data_.states.index_select(0, pairs.state_row));
    const at::Tensor all = at::cat(rows);
    const rewards::DistinctRows once = rewards::distinct_rows(all);
    different_ = once.count();
    const std::int64_t n = points_.size(0);
    here_ = once.number.narrow(0, 0, n);
    next_ = once.number.narrow(0, n, n);
    const at::Tensor states = all.index_select(0, once.first);
    std::int64_t begin = 2 * n;
    for (const Pairs& pairs : pairs_) {
      const std::int64_t M = pairs.state_row.size(0);
      ends_.push_back(once.number.narrow(0, begin, M));
      begin += M;
      means_.emplace_back(data_, states, pairs);
    }
  }

  [[nodiscard]] at::Tensor canonical(std::size_t k, std::int64_t b) const {
    const at::Tensor m = m_[k][b];
    return R_ + gamma_ * m.index_select(1, next_) - m.index_select(1, here_) -
           gamma_ * mean_[k][b].unsqueeze(-1);
  }

  const rewards::SampledData& data_;
  double gamma_;
  at::Tensor points_, here_, next_;  // rows of the data; numbers of their states
  std::vector<Pairs> pairs_;
  std::vector<at::Tensor> ends_;  // numbers of the pairs' states
  std::vector<StateMeans> means_;
  std::int64_t different_ = 0;
  at::Tensor R_, weight_, scale_;     // [R, n], [B + 1, n], [R, n]
  std::vector<at::Tensor> m_, mean_;  // [B + 1, R, X], [B + 1, R]
};

void require_memory(const rewards::SampledData& data, const EpicSample::Options& options,
                    std::int64_t states) {
  const double replicates = options.estimate.replicates ? 3 : 1;
  const double mib = replicates * static_cast<double>(options.estimate.resamples + 1) *
                     static_cast<double>(data.names().size()) * static_cast<double>(states) * 8 /
                     (1 << 20);
  if (mib <= static_cast<double>(options.memory)) return;
  throw Error(cat("the means of ", data.names().size(), " rewards in ", states, " states and ",
                  options.estimate.resamples, " resamples take ", static_cast<std::int64_t>(mib),
                  " MiB, more than memory = ", options.memory))
      .with_help("fewer transitions, pairs or resamples, or more memory");
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
  Sampled sampled(data, options_, context_);
  require_memory(data, options_, sampled.states());
  rewards::NeededTransitions needed(data);
  sampled.ask(needed);
  needed.require_known(context_);
  sampled.evaluate(rewards::episode_weights(data.episodes, options_.estimate.resamples,
                                            context_.random("resamples")),
                   context_);
  const rewards::EstimatedForm form = sampled.form();
  Comparison out;
  rewards::add_estimates(out, form, data.names(), options_.estimate);
  out.report.blocks.push_back(rewards::form_sizes(form, data));
  out.report.blocks.push_back(
      {.title = "EPIC_sample: what was evaluated",
       .caption = "",
       .body = TextBlock{cat(sampled.points(), " of ", data.count(), " transitions of ",
                             data.episodes, " episodes; ", sampled.states(), " different states; ",
                             sampled.evaluations(), " evaluations of each reward.")}});
  return out;
}

}  // namespace saffron::plugins
