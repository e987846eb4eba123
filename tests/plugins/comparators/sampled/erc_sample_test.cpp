#include "plugins/comparators/erc/erc_sample.h"
#include "plugins/comparators/erc/erc.h"
#include "tests/plugins/comparators/sampled/sampled_testing.h"

#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

double correlation_distance(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mx += x[i] / n;
    my += y[i] / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  return std::sqrt((1 - xy / std::sqrt(xx * yy)) / 2);
}

std::vector<double> ranks(const std::vector<double>& x) {
  std::vector<double> out;
  for (const double value : x) {
    double below = 0, equal = 0;
    for (const double other : x) {
      below += other < value;
      equal += other == value;
    }
    out.push_back(below + (equal + 1) / 2);
  }
  return out;
}

MemoryWorld world_of(RandomWorlds& random) {
  at::Tensor tau = random.transitions(4, 2);
  tau[2].zero_();
  const at::Tensor a = random.normal({4, 2, 4});
  return MemoryWorld(tau, random.probabilities({4}), 0.6,
                     {{"a", a}, {"b", a.round() + random.normal({4, 2, 4}).round()}});
}

TEST(ErcSample, ReturnsWrittenOut) {
  RandomWorlds random(31);
  const auto sample = drawn(world_of(random), 60, 6, 1);
  const auto* of = dynamic_cast<const SampledWorld*>(sample.get());
  std::vector<double> returns[2];
  for (int i = 0; i < 2; ++i) {
    const at::Tensor r = of->evaluate(i, of->states(), of->actions(), of->next_states());
    double discount = 1;
    for (std::int64_t t = 0; t < r.size(0); ++t) {
      const bool first = t == 0 || of->episodes()[t].item<std::int64_t>() !=
                                       of->episodes()[t - 1].item<std::int64_t>();
      if (first) returns[i].push_back(0);
      discount = first ? 1 : discount * 0.6;
      returns[i].back() += discount * r[t].item<double>();
    }
  }
  const FakeContext context;
  const Comparison found = ErcSample({.resamples = 100}, context).compare(*sample);
  EXPECT_NEAR(between(metric(found, "ERC_sample/pearson"), 0, 1),
              correlation_distance(returns[0], returns[1]), 1e-12);
  EXPECT_NEAR(between(metric(found, "ERC_sample/spearman"), 0, 1),
              correlation_distance(ranks(returns[0]), ranks(returns[1])), 1e-12);
  EXPECT_FALSE(certificate(found, "ERC_sample/pearson").sound);
}

TEST(ErcSample, ComesToTheExactDistance) {
  RandomWorlds random(32);
  const MemoryWorld world = world_of(random);
  const double truth = between(metric(Erc({}).compare(world), "ERC/pearson"), 0, 1);
  for (const std::uint64_t seed : {1, 2, 3}) {
    const FakeContext context(seed);
    const Comparison found = ErcSample({.correlations = {"pearson"}, .resamples = 200}, context)
                                 .compare(*drawn(world, 2000, 40, seed));
    expect_near_truth(found, "ERC_sample/pearson", 0, 1, truth, 4);
  }
}

// A weight stands for so many copies.
TEST(ErcSample, RanksOfCopies) {
  const at::Tensor x = at::tensor({3.0, 1.0, 3.0, 2.0, 5.0}, at::kDouble).unsqueeze(0);
  const at::Tensor weight = at::tensor({2.0, 1.0, 1.0, 0.0, 3.0}, at::kDouble);
  const std::vector<double> copies = ranks({3, 3, 1, 3, 5, 5, 5});
  const at::Tensor found = mean_ranks(x, weight)[0];
  EXPECT_EQ(found[0].item<double>(), copies[0]);
  EXPECT_EQ(found[1].item<double>(), copies[2]);
  EXPECT_EQ(found[2].item<double>(), copies[3]);
  EXPECT_EQ(found[4].item<double>(), copies[4]);
}

TEST(ErcSample, FewEpisodesAndConstantReturns) {
  const FakeContext context;
  const Comparison found = ErcSample({}, context).compare(*toy_sampled_world());
  const PairMatrix& distance = metric(found, "ERC_sample/pearson");
  EXPECT_GT(between(distance, 0, 4), 0);
  EXPECT_TRUE(std::isnan(between(distance, 0, 5)));
  EXPECT_EQ(
      distance.reasons.at(5),
      "the return form of reward 'zero' is constant on the covered transitions: it correlates "
      "with nothing");
  const PairMatrix& low = metric(found, "ERC_sample/pearson/low");
  EXPECT_TRUE(std::isnan(between(low, 0, 4)));
  EXPECT_EQ(low.reasons.at(4), "too few samples: 6 episodes, fewer than min_episodes = 10");
}

}  // namespace
}  // namespace saffron::plugins
