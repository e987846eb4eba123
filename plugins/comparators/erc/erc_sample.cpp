#include "erc_sample.h"

#include <saffron/error.h>
#include <saffron/reward_metrics.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace saffron::plugins {
namespace {

struct Returns {
  at::Tensor values, size;  // of R and of |R|: [R, E]
  std::int64_t cut = 0;     // episodes that end without a terminal transition
};

Returns returns_of(const rewards::SampledData& data) {
  const std::int64_t N = data.count(), E = data.episodes;
  at::Tensor discount = at::empty({N}, at::kDouble);
  const auto* episode = data.episode.const_data_ptr<std::int64_t>();
  const auto* ends = data.terminal.const_data_ptr<bool>();
  Returns out;
  double factor = 1;
  for (std::int64_t i = 0; i < N; ++i) {
    factor = i > 0 && episode[i] == episode[i - 1] ? factor * data.gamma : 1;
    discount.mutable_data_ptr<double>()[i] = factor;
    const bool last = i + 1 == N || episode[i + 1] != episode[i];
    out.cut += last && !ends[i] ? 1 : 0;
  }
  const auto sums = [&](const at::Tensor& x) {
    return at::zeros({x.size(0), E}, at::kDouble).index_add_(1, data.episode, x * discount);
  };
  out.values = sums(data.rewards);
  out.size = sums(data.rewards.abs());
  return out;
}

Certificate certify(const std::string& metric) {
  Certificate out;
  out.metric = metric;
  out.needs = {"drawn episodes"};
  out.invariant_to = {"positive scaling"};
  out.pseudometric = true;
  out.high = 1;
  out.covers = rewards::kSampledOnly;
  out.caveat =
      "Rewards that agree where these episodes go are 0 apart, whatever they ask elsewhere. "
      "Potential shaping adds its potential at the start, and, where an episode is cut off, at its "
      "end.";
  return out;
}

}  // namespace

at::Tensor mean_ranks(const at::Tensor& x, const at::Tensor& weight) {
  const at::Tensor given = x.contiguous(), counts = weight.contiguous();
  at::Tensor out = at::empty_like(given);
  const std::int64_t E = x.size(1);
  const auto* count = counts.const_data_ptr<double>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(E));
  for (std::int64_t row = 0; row < x.size(0); ++row) {
    const auto* value = given.const_data_ptr<double>() + row * E;
    auto* rank = out.mutable_data_ptr<double>() + row * E;
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](std::int64_t a, std::int64_t b) { return value[a] < value[b]; });
    double below = 0;
    for (std::size_t i = 0; i < order.size();) {
      std::size_t end = i;
      double equal = 0;
      for (; end < order.size() && value[order[end]] == value[order[i]]; ++end) {
        equal += count[order[end]];
      }
      for (; i < end; ++i) rank[order[i]] = below + (equal + 1) / 2;
      below += equal;
    }
  }
  return out;
}

Schema<ErcSample::Options> ErcSample::schema() {
  return Schema<Options>{}
      .param("correlations", &Options::correlations, "of returns, or of their ranks",
             one_of({"pearson", "spearman"}))
      .param("resamples", &Options::resamples,
             "how often the episodes are drawn anew for an interval", at_least(100))
      .param("confidence", &Options::confidence, "of the intervals", between(0.5, 0.999))
      .param("min_episodes", &Options::min_episodes, "with fewer there are no intervals",
             at_least(2))
      .check(
          [](const Options& o) { return rewards::check_distinct("correlations", o.correlations); });
}

Comparison ErcSample::compare(const World& world) {
  const rewards::SampledData data = rewards::read_samples(world, "erc_sample");
  const Returns returns = returns_of(data);
  const auto R = static_cast<std::int64_t>(data.names().size());
  const at::Tensor weights =
      rewards::episode_weights(data.episodes, options_.resamples, context_.random("resamples"));
  const rewards::SampleOptions estimate{.resamples = options_.resamples,
                                        .confidence = options_.confidence,
                                        .min_episodes = options_.min_episodes};
  Comparison out;
  for (const std::string& word : options_.correlations) {
    const bool ranks = word == "spearman";
    rewards::ResampledDistance distance{
        .values = at::empty({weights.size(0), R, R}, at::kDouble),
        .reasons = {},
        .certificate = certify("ERC_sample/" + word),
        .definition =
            cat("sqrt((1 - rho) / 2), rho = correlation of the drawn episodes' discounted "
                "returns",
                ranks ? ", as ranks" : ""),
        .no_interval = {}};
    at::parallel_for(0, weights.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        const at::Tensor x = ranks ? mean_ranks(returns.values, weights[b]) : returns.values;
        PairMatrix found;
        rewards::correlate(found, x, ranks ? x : returns.size, weights[b] / weights[b].sum(),
                           "return", data.names());
        distance.values[b].copy_(found.values);
        if (b == 0) distance.reasons = std::move(found.reasons);
      }
    });
    rewards::add_resampled(out, std::move(distance), data.episodes, estimate);
  }
  out.report.blocks.push_back(
      {.title = "ERC_sample: what was read",
       .caption = "",
       .body = TextBlock{
           cat(data.episodes, " episodes of ", data.count(), " transitions, ", returns.cut,
               " of them cut off before a terminal state: their returns end there.")}});
  return out;
}

}  // namespace saffron::plugins
