#include "ls_minimal.h"

#include "cross_fit.h"
#include "features.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <utility>

namespace saffron::plugins {
namespace {

// What least squares leave of a reward that is shaping alone: below this share of it, nothing is taken
// to be left.
constexpr double kLeft = 1e-6;

Certificate certify(bool averaged) {
  Certificate out;
  out.needs = {averaged ? "drawn transitions of states and actions that come again"
                        : "drawn transitions"};
  out.invariant_to = {"positive scaling"};
  out.covers = rewards::kSampledOnly;
  out.caveat =
      averaged ? "An estimate of Minimal, weighted as the data are: what a policy that goes "
                 "elsewhere earns is not seen. Potentials that the features do not span stay in."
               : "An estimate of MinimalPotential under the data's distribution: where chance "
                 "decides what follows, it sees how a reward is spread over next states, which "
                 "no policy's return does. Potentials that the features do not span stay in.";
  return out;
}

PotentialFeatures features_of(const rewards::SampledData& data, const LsMinimal::Options& options,
                              const Random& random) {
  using Features = LsMinimal::Features;
  const bool one_hot = options.features == Features::one_hot ||
                       (options.features == Features::by_states && numbered_states(data));
  return one_hot ? one_hot_features(data, options.memory)
                 : random_features(data, options.width, options.memory, random);
}

// Where states and actions are equal: the numbers of (s, a) [N].
rewards::DistinctRows state_actions(const rewards::SampledData& data) {
  return rewards::distinct_rows(at::stack(
      {rewards::distinct_rows(data.states).number, rewards::distinct_rows(data.actions).number},
      1));
}

// One kind of residuals with its callbacks; the form refers to this.
class Estimator {
 public:
  Estimator(const rewards::SampledData& data, const CrossFit& fit, at::Tensor weights,
            bool averaged, std::int64_t cells, bool replicates)
      : weights_(std::move(weights)), cells_(cells) {
    once_ = fit.once();
    if (replicates) twice_ = fit.twice();
    form.name = averaged ? "LS_minimal_averaged" : "LS_minimal";
    form.episodes = data.episodes;
    form.certificate = certify(averaged);
    form.zero = "is shaping alone, by a potential of these features";
    if (!averaged) form.shared = "the next state of each draw";
    if (averaged) {
      form.no_interval =
          "resamples repeat draws, which doubles the noise of means over them: the distance of the "
          "replicates has an interval";
    }
    form.scale = once_.means(once_.scale, weights_[0], cells_).values * (kLeft / rewards::kZero);
    form.once = [this](std::int64_t b) {
      const Residuals::Means means = once_.means(once_.values, weights_[b], cells_);
      return rewards::SampledForm{means.values, {}, means.weight / means.weight.sum()};
    };
    if (!replicates) return;
    form.twice = [this](std::int64_t b) {
      const Residuals& one = twice_.first;
      const Residuals& two = twice_.second;
      const Residuals::Means first = one.means(one.values, weights_[b], twice_.cells);
      const Residuals::Means second = two.means(two.values, weights_[b], twice_.cells);
      const at::Tensor both = (first.weight > 0).logical_and(second.weight > 0);
      const at::Tensor weight = at::where(both, first.weight + second.weight, 0.0);
      return rewards::SampledForm{first.values, second.values, weight / weight.sum()};
    };
  }
  Estimator(const Estimator&) = delete;
  Estimator& operator=(const Estimator&) = delete;

  rewards::EstimatedForm form;

 private:
  at::Tensor weights_;
  std::int64_t cells_;
  Residuals once_;
  CrossFit::Pair twice_;
};

}  // namespace

Schema<LsMinimal::Options> LsMinimal::schema() {
  return Schema<Options>{}
      .param("successors", &Options::successors,
             "\"drawn\" for LS_minimal, of single transitions; \"averaged\" for "
             "LS_minimal_averaged, of means over all that followed a state and action; or both",
             one_of({"drawn", "averaged"}))
      .choice("features", &Options::features,
              "of potentials: \"random\" ones of a state's coordinates, \"one_hot\" for each "
              "different state, \"by_states\": one_hot where states are single integers",
              {{"by_states", Features::by_states},
               {"random", Features::random},
               {"one_hot", Features::one_hot}})
      .param("width", &Options::width,
             "random features, beside coordinates, squares and a constant", at_least(1))
      .param("folds", &Options::folds,
             "of the episodes: potentials are fitted on other folds than they are used on",
             at_least(4))
      .param("memory", &Options::memory, "that features may take", at_least(1), unit("MiB"))
      .param("ridge", &Options::ridge, "added to the squares of features, as a share of their mean",
             positive())
      .include(&Options::estimate, rewards::SampleOptions::schema())
      .check([](const Options& o) { return rewards::check_distinct("successors", o.successors); });
}

Comparison LsMinimal::compare(const World& world) {
  const rewards::SampledData data = rewards::read_samples(world, "ls_minimal");
  if (data.episodes < options_.folds) {
    throw Error(ErrorKind::data, cat("too few samples: ", data.episodes,
                                     data.episodes == 1 ? " episode" : " episodes",
                                     " cannot be split into folds = ", options_.folds))
        .with_help(data.episodes == 1
                       ? "say where episodes end: the data need `episodes` or `terminal`"
                       : "draw more episodes, or take fewer folds");
  }
  const Random random = context_.random("ls_minimal");
  const PotentialFeatures features = features_of(data, options_, random.fork("features"));
  const at::Tensor weights = rewards::episode_weights(data.episodes, options_.estimate.resamples,
                                                      context_.random("resamples"));
  Comparison out;
  for (const std::string& word : options_.successors) {
    const bool averaged = word == "averaged";
    const rewards::DistinctRows cells = averaged ? state_actions(data) : rewards::DistinctRows();
    const std::int64_t count = averaged ? cells.count() : data.count();
    const CrossFit fit(data, features, options_.folds, options_.ridge, cells.number, count, random);
    const Estimator estimator(data, fit, weights, averaged, count, options_.estimate.replicates);
    rewards::add_estimates(out, estimator.form, data.names(), options_.estimate);
    out.report.blocks.push_back(rewards::form_sizes(estimator.form, data));
    out.report.blocks.push_back(
        {.title = estimator.form.name + ": what was fitted",
         .caption = "",
         .body = TextBlock{
             cat("Potentials of ", features.words, " on ", fit.fewest(),
                 " transitions or more, of ", data.count(), " in ", data.episodes, " episodes",
                 averaged ? cat(" with ", count, " different states and actions") : "", ". ",
                 fit.most_unknown() == 0
                     ? ""
                     : cat("In up to ", fit.most_unknown(), " of ", features.count(),
                           " directions they came too rarely: potentials are 0 there. "),
                 estimator.form.certificate.caveat)}});
  }
  return out;
}

}  // namespace saffron::plugins
