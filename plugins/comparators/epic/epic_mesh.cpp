#include "epic.h"
#include "epic_sample.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <utility>

namespace saffron::plugins {
namespace {

// Rows of the data, drawn with replacement: the different ones, and which of them each draw is.
struct Axis {
  at::Tensor rows, number, episode;  // [U], [M], [M]
  [[nodiscard]] std::int64_t count() const { return rows.size(0); }
  // Of every different one, by the weights of the episodes [E]: [U], sums to 1.
  [[nodiscard]] at::Tensor share(const at::Tensor& weights) const {
    const at::Tensor out =
        at::zeros({count()}, at::kDouble).index_add_(0, number, weights.index_select(0, episode));
    return out / out.sum();
  }
};

Axis draw_axis(const at::Tensor& x, const at::Tensor& episode, std::int64_t count,
               const Random& random) {
  at::Tensor rows = at::empty({count}, at::kLong);
  for (std::int64_t i = 0; i < count; ++i) {
    rows.mutable_data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(
        random.below(static_cast<std::uint64_t>(x.size(0)), static_cast<std::uint64_t>(i)));
  }
  const rewards::DistinctRows once = rewards::distinct_rows(x.index_select(0, rows));
  return {rows.index_select(0, once.first), once.number, episode.index_select(0, rows)};
}

// The drawn states and actions as a table. Its tau is D_S, which EPIC does not read.
class MeshTable final : public TabularWorld {
 public:
  MeshTable(double gamma, at::Tensor rewards, at::Tensor D_S, at::Tensor D_A)
      : gamma_(gamma),
        rewards_(std::move(rewards)),
        state_share_(std::move(D_S)),
        action_share_(std::move(D_A)) {
    transitions_.states = state_share_.size(0);
    transitions_.actions = action_share_.size(0);
    transitions_.dense =
        state_share_.expand({state_share_.size(0), action_share_.size(0), state_share_.size(0)});
    policy_ = action_share_.expand({state_share_.size(0), action_share_.size(0)});
    terminal_ = at::zeros({state_share_.size(0)}, at::kBool);
  }
  [[nodiscard]] double gamma() const override { return gamma_; }
  [[nodiscard]] const at::Tensor& mu0() const override { return state_share_; }
  [[nodiscard]] const Transitions& transitions() const override { return transitions_; }
  [[nodiscard]] const at::Tensor& rewards() const override { return rewards_; }
  [[nodiscard]] const at::Tensor& policy() const override { return policy_; }
  [[nodiscard]] const at::Tensor& state_distribution() const override { return state_share_; }
  [[nodiscard]] const at::Tensor& action_distribution() const override { return action_share_; }
  [[nodiscard]] const at::Tensor& terminal() const override { return terminal_; }

 private:
  double gamma_;
  at::Tensor rewards_, state_share_, action_share_, policy_, terminal_;
  Transitions transitions_;
};

// The rewards of all (s, a, s') of the axes, a state at a time: [R, S, A, S].
class Mesh {
 public:
  Mesh(const rewards::SampledData& data, const Axis& states, const Axis& actions)
      : data_(data),
        s_(data.states.index_select(0, states.rows)),
        next_(s_.to(data.next_states.scalar_type())),
        a_(data.actions.index_select(0, actions.rows)) {}

  void ask(rewards::NeededTransitions& needed) const {
    for (std::int64_t s = 0; s < states(); ++s) needed.add(from(s), by(), to());
  }
  [[nodiscard]] at::Tensor evaluate(const Context& context) const {
    std::vector<at::Tensor> out;
    for (std::int64_t s = 0; s < states(); ++s) {
      if (context.cancelled()) throw Error(ErrorKind::cancelled, "stopped");
      context.progress("evaluating rewards", s, states());
      out.push_back(data_.evaluate(from(s), by(), to()).view({-1, a_.size(0), states()}));
    }
    return at::stack(out, 1);
  }

 private:
  [[nodiscard]] std::int64_t states() const { return s_.size(0); }
  [[nodiscard]] at::Tensor from(std::int64_t s) const {
    return s_.narrow(0, s, 1).repeat_interleave(a_.size(0) * states(), 0);
  }
  [[nodiscard]] at::Tensor by() const { return a_.repeat_interleave(states(), 0); }
  [[nodiscard]] at::Tensor to() const {
    return next_.index_select(0, at::arange(states(), at::kLong).repeat({a_.size(0)}));
  }

  const rewards::SampledData& data_;
  at::Tensor s_, next_, a_;
};

}  // namespace

Comparison epic_on_mesh(const rewards::SampledData& data, const EpicSample::Options& options,
                        const Context& context) {
  const Random random = context.random("epic mesh");
  const Axis states = draw_axis(data.states, data.episode, options.states, random.fork("states"));
  const Axis actions =
      draw_axis(data.actions, data.episode, options.actions, random.fork("actions"));
  const std::int64_t cells = states.count() * actions.count() * states.count();
  const auto rewards_count = static_cast<double>(data.names().size());
  const double mib = 4 * rewards_count * static_cast<double>(cells) * 8 / (1 << 20);
  if (mib > static_cast<double>(options.memory)) {
    throw Error(cat("a mesh of ", states.count(), " states and ", actions.count(),
                    " actions takes ", static_cast<std::int64_t>(mib), " MiB for ",
                    data.names().size(), " rewards, more than memory = ", options.memory))
        .with_help("fewer states or actions, more memory, or method = \"sample\"");
  }
  const Mesh mesh(data, states, actions);
  rewards::NeededTransitions needed(data);
  mesh.ask(needed);
  needed.require_known(context);
  const at::Tensor R = mesh.evaluate(context);
  const at::Tensor weights = rewards::episode_weights(data.episodes, options.estimate.resamples,
                                                      context.random("resamples"));
  const auto table = [&](std::int64_t b) {
    return MeshTable(data.gamma, R, states.share(weights[b]), actions.share(weights[b]));
  };
  rewards::EstimatedForm form;
  form.name = "EPIC_mesh";
  form.episodes = data.episodes;
  form.certificate = epic_sample_certificate();
  form.zero = rewards::kShapingAlone;
  form.scale = epic_form(table(0)).scale.flatten(1);
  form.once = [&](std::int64_t b) {
    const MeshTable of = table(b);
    return rewards::SampledForm{
        epic_form(of).values.flatten(1), {}, rewards::coverage(of, false).reshape({-1})};
  };
  Comparison out;
  rewards::add_estimates(out, form, data.names(), options.estimate);
  out.report.blocks.push_back(rewards::form_sizes(form, data));
  out.report.blocks.push_back(
      {.title = "EPIC_mesh: what was evaluated",
       .caption = "",
       .body = TextBlock{cat(states.count(), " different states and ", actions.count(),
                             " different actions: ", cells, " evaluations of each reward.")}});
  return out;
}

}  // namespace saffron::plugins
