#include "transitions.h"

#include <saffron/error.h>

#include <ATen/ops/empty.h>

namespace saffron::plugins {

Schema<SampledTransitions::Options> SampledTransitions::schema() {
  return Schema<Options>{}
      .param(
          "path", &Options::path,
          "a .safetensors or .npz file: states, actions and next_states [N, ...], floats or "
          "integers; rewards/<name> [N]; optionally terminal [N], episodes [N] (integers; without "
          "them an episode ends with a terminal transition), and gamma. Rows of an episode follow "
          "each other. Values of transitions that were not drawn, which some distances ask for, go "
          "into further/states, further/actions, further/next_states and further/rewards/<name>",
          required(), not_empty(), hashed_file())
      .param("gamma", &Options::gamma, "discount, instead of the file's", below_one())
      .param("spread", &Options::spread,
             "how far a reward's values of one transition may lie apart, as a share of its largest "
             "absolute value; they are averaged",
             non_negative());
}

SampledTransitions::SampledTransitions(const Options& options, Sample sample)
    : source_(options.path.value),
      sample_(std::move(sample)),
      table_(sample_, options.spread, source_) {
  const std::optional<double> gamma = options.gamma ? options.gamma : sample_.gamma;
  if (!gamma) {
    throw Error("there is no gamma, in the recipe or the file")
        .within(source_)
        .with_help("gamma = 0.99");
  }
  gamma_ = *gamma;
  std::int64_t episodes = 1;
  const auto* episode = sample_.episodes.const_data_ptr<std::int64_t>();
  for (std::int64_t i = 1; i < sample_.data.count(); ++i) episodes += episode[i] != episode[i - 1];
  info_.description = cat(sample_.data.count(), " transitions of ", episodes,
                          episodes == 1 ? " episode, gamma " : " episodes, gamma ", gamma_);
  for (const auto& [name, values] : sample_.data.rewards) info_.rewards.push_back(name);
}

void SampledTransitions::check_shapes(const at::Tensor& states, const at::Tensor& actions,
                                      const at::Tensor& next_states) const {
  const auto check = [&](const at::Tensor& x, const char* name, const at::Tensor& like) {
    if (x.defined() && x.dim() == like.dim() && x.size(0) == states.size(0) &&
        x.sizes().slice(1) == like.sizes().slice(1)) {
      return;
    }
    throw Error(cat(name, " to evaluate have ",
                    x.defined() ? cat("the shape ", x.sizes()) : std::string("no values"),
                    ", and those of the data ", like.sizes()));
  };
  check(states, "states", sample_.data.states);
  check(actions, "actions", sample_.data.actions);
  check(next_states, "next states", sample_.data.next_states);
}

at::Tensor SampledTransitions::evaluate(std::int64_t reward, const at::Tensor& states,
                                        const at::Tensor& actions,
                                        const at::Tensor& next_states) const {
  if (reward < 0 || reward >= static_cast<std::int64_t>(info_.rewards.size())) {
    throw Error(cat("reward ", reward, " of a world that has ", info_.rewards.size()));
  }
  check_shapes(states, actions, next_states);
  const std::vector<std::int64_t> found = table_.find(states, actions, next_states);
  at::Tensor out = at::empty({states.size(0)}, at::kDouble);
  auto* value = out.mutable_data_ptr<double>();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] < 0) {
      const auto row = static_cast<std::int64_t>(i);
      throw Error(ErrorKind::data,
                  cat("the rewards are not known of transition ", row, " of ", found.size(), ", ",
                      RewardTable::words(states, actions, next_states, row)))
          .within(source_)
          .with_help(
              "evaluate the reward models on such transitions too and add them as further/..., "
              "or use a distance that keeps to the data");
    }
    value[i] = table_.value(reward, found[i]);
  }
  return out;
}

at::Tensor SampledTransitions::known(const at::Tensor& states, const at::Tensor& actions,
                                     const at::Tensor& next_states) const {
  check_shapes(states, actions, next_states);
  const std::vector<std::int64_t> found = table_.find(states, actions, next_states);
  at::Tensor out = at::empty({states.size(0)}, at::kBool);
  for (std::size_t i = 0; i < found.size(); ++i) out.mutable_data_ptr<bool>()[i] = found[i] >= 0;
  return out;
}

}  // namespace saffron::plugins
