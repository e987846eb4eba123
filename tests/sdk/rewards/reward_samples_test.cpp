#include <saffron/reward_samples.h>

#include "tests/caught.h"

#include <saffron/testing/toys.h>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace saffron::rewards {
namespace {

SampleOptions options(std::vector<std::string> distances, std::int64_t resamples = 100) {
  SampleOptions out;
  out.distances = std::move(distances);
  out.resamples = resamples;
  return out;
}

const PairMatrix& metric(const Comparison& comparison, const std::string& key) {
  for (const PairMatrix& matrix : comparison.metrics) {
    if (matrix.key == key) return matrix;
  }
  throw Error(cat("there is no metric ", key));
}

double value(const Comparison& found, const std::string& key) {
  return metric(found, key).values[0][1].item<double>();
}

class Normal {
 public:
  explicit Normal(std::uint64_t seed) : engine_(seed) {}
  at::Tensor operator()(at::IntArrayRef shape) {
    at::Tensor out = at::zeros(shape, at::kDouble);
    for (std::int64_t i = 0; i < out.numel(); ++i)
      out.mutable_data_ptr<double>()[i] = draw_(engine_);
    return out;
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<double> draw_;
};

// One or two replicates at points of episodes, as a comparator has them.
struct Points {
  at::Tensor first, second;  // [R, n]
  at::Tensor episode;        // [n]
  at::Tensor weights;        // [B + 1, E]

  [[nodiscard]] EstimatedForm form() const {
    EstimatedForm out;
    out.name = "F";
    out.episodes = weights.size(1);
    out.scale = first.abs();
    out.zero = "is 0";
    out.once = [this](std::int64_t b) { return SampledForm{first, {}, weight(b)}; };
    if (second.defined()) {
      out.twice = [this](std::int64_t b) { return SampledForm{first, second, weight(b)}; };
    }
    return out;
  }
  [[nodiscard]] at::Tensor weight(std::int64_t b) const {
    const at::Tensor w = weights[b].index_select(0, episode);
    return w / w.sum();
  }
  [[nodiscard]] Comparison compare(const SampleOptions& given) const {
    Comparison out;
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < first.size(0); ++i) names.push_back(cat("r", i));
    add_estimates(out, form(), names, given);
    return out;
  }
};

Points points(std::int64_t episodes, std::int64_t each, std::int64_t resamples,
              std::uint64_t seed) {
  at::set_num_threads(1);  // thousands of small operations would wait for each other
  Points out;
  out.episode = at::arange(episodes, at::kLong).repeat_interleave(each);
  out.weights = episode_weights(episodes, resamples, Random(seed));
  return out;
}

TEST(EpisodeWeights, DrawWithReplacement) {
  const at::Tensor w = episode_weights(7, 4000, Random(1));
  EXPECT_TRUE((w[0] == 1).all().item<bool>());
  EXPECT_TRUE((w.sum(1) == 7).all().item<bool>());
  // Binomial(7, 1 / 7): mean 1, variance 6 / 7; five standard errors over 4000 rows.
  const at::Tensor drawn = w.slice(0, 1);
  EXPECT_TRUE(((drawn.mean(0) - 1).abs() < 5 * std::sqrt(6.0 / 7 / 4000)).all().item<bool>());
  EXPECT_TRUE(((drawn.var(0) - 6.0 / 7).abs() < 0.1).all().item<bool>());
  EXPECT_TRUE(w.equal(episode_weights(7, 4000, Random(1))));
  EXPECT_FALSE(w.equal(episode_weights(7, 4000, Random(2))));
}

TEST(DistinctRows, AreNumbered) {
  const at::Tensor x =
      at::tensor({2.0, 0.0, 1.0, 1.0, 2.0, 0.0, -0.0, 5.0}, at::kDouble).view({4, 2});
  const DistinctRows found = distinct_rows(x);
  ASSERT_EQ(found.count(), 3);
  for (std::int64_t i = 0; i < 4; ++i) {
    const auto first = found.first[found.number[i]].item<std::int64_t>();
    EXPECT_TRUE(x[first].equal(x[i]));
    EXPECT_LE(first, i);
  }
  EXPECT_TRUE(found.number[0].equal(found.number[2]));
  const DistinctRows both = distinct_rows(at::arange(3, at::kLong), at::arange(4, at::kLong));
  EXPECT_EQ(both.count(), 4);
  EXPECT_TRUE(both.number.narrow(0, 0, 3).equal(both.number.narrow(0, 3, 3)));
}

TEST(Estimates, DistancesWrittenOut) {
  Points of = points(12, 5, 100, 3);
  Normal normal(4);
  of.first = normal({2, 60});
  const Comparison found = of.compare(options({"2-2", "pearson", "angle"}));
  const at::Tensor x = of.first[0], y = of.first[1];
  const auto cosine = [](const at::Tensor& u, const at::Tensor& v) {
    return (u.dot(v) / (u.norm() * v.norm())).item<double>();
  };
  EXPECT_NEAR(value(found, "F/2-2"), std::sqrt(2 - 2 * cosine(x, y)), 1e-12);
  EXPECT_NEAR(value(found, "F/angle"), std::acos(cosine(x, y)), 1e-12);
  EXPECT_NEAR(value(found, "F/pearson"), std::sqrt((1 - cosine(x - x.mean(), y - y.mean())) / 2),
              1e-12);
  // Equal replicates are one.
  Points twice = of;
  twice.second = of.first;
  const Comparison same = twice.compare(options({"2-2", "pearson", "angle"}));
  for (const char* key : {"F/2-2", "F/pearson", "F/angle"}) {
    EXPECT_NEAR(value(same, cat(key, "/replicates")), value(same, key), 1e-12) << key;
    EXPECT_NEAR(value(same, cat(key, "/replicates/low")), value(same, cat(key, "/low")), 1e-10);
  }
}

// Of rewards with cosine 1/2 and noise of their size, one replicate says 1/4 and two say 1/2, in the
// mean over many draws.
TEST(Estimates, ReplicatesAreUnbiased) {
  constexpr int kDraws = 100;
  Normal normal(5);
  const std::int64_t n = 400;
  const at::Tensor x = normal({n}), z = normal({n});
  at::Tensor u = x / x.norm() * std::sqrt(n);
  at::Tensor v = z - u * (u.dot(z) / u.dot(u));
  v = v / v.norm() * std::sqrt(n);
  const at::Tensor truth = at::stack({u, 0.5 * u + std::sqrt(0.75) * v});
  Points of = points(40, 10, 100, 6);
  double once = 0, twice = 0, square = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    of.first = truth + normal({2, n});
    of.second = truth + normal({2, n});
    const Comparison found = of.compare(options({"2-2"}));
    once += (1 - std::pow(value(found, "F/2-2"), 2) / 2) / kDraws;
    const double rho = 1 - std::pow(value(found, "F/2-2/replicates"), 2) / 2;
    twice += rho / kDraws;
    square += rho * rho / kDraws;
  }
  const double error = std::sqrt((square - twice * twice) / kDraws);
  EXPECT_LT(error, 0.02);
  EXPECT_NEAR(twice, 0.5, 4 * error);
  EXPECT_NEAR(once, 0.25, 0.02);
}

// sqrt(2 sigma^2 / (1 + sigma^2)) of two rewards that are one.
TEST(Estimates, TheNoiseInflationLaw) {
  Normal normal(7);
  const std::int64_t n = 20000;
  const at::Tensor truth = normal({1, n});
  Points of = points(100, n / 100, 100, 8);
  for (const double sigma : {0.3, 0.82, 2.65}) {
    of.first = truth + sigma * normal({2, n});
    of.second = truth + sigma * normal({2, n});
    const Comparison found = of.compare(options({"2-2"}));
    EXPECT_NEAR(value(found, "F/2-2"), std::sqrt(2 * sigma * sigma / (1 + sigma * sigma)), 0.02);
    EXPECT_LT(value(found, "F/2-2/replicates"), 0.35 * value(found, "F/2-2"));
  }
}

// Points of an episode are alike, so that they count as few: an interval over points would cover far
// less than it says. 95 % of 160 is 152, with a standard deviation of 2.8.
TEST(Estimates, IntervalsOverEpisodesCoverTheTruth) {
  constexpr int kRuns = 160;
  Normal normal(9);
  const double rho = 0.6, truth = std::sqrt(2 - 2 * rho);
  int covered = 0;
  for (int run = 0; run < kRuns; ++run) {
    Points of = points(60, 4, 120, static_cast<std::uint64_t>(100 + run));
    const auto clustered = [&] {
      return (std::sqrt(0.8) * normal({60}).repeat_interleave(4) + std::sqrt(0.2) * normal({240}));
    };
    const at::Tensor x = clustered(), y = rho * x + std::sqrt(1 - rho * rho) * clustered();
    of.first = at::stack({x, y});
    const Comparison found = of.compare(options({"2-2"}, 120));
    covered += value(found, "F/2-2/low") <= truth && truth <= value(found, "F/2-2/high");
  }
  EXPECT_GE(covered, 141);
  EXPECT_LE(covered, 159);
}

TEST(Estimates, WhatIsUndefinedSaysWhy) {
  Normal normal(10);
  Points of = points(20, 10, 200, 11);
  of.first = at::cat({normal({1, 200}), at::zeros({1, 200}, at::kDouble), normal({1, 200})});
  of.second = of.first + 0.1 * normal({3, 200});
  of.second[1].zero_();
  of.second[2] = normal({200});  // what is left of it is noise
  const Comparison found = of.compare(options({"2-2", "pearson"}));
  EXPECT_NEAR(value(found, "F/2-2"), 1, 1e-15);
  EXPECT_NEAR(value(found, "F/2-2/replicates"), 1, 1e-15);
  EXPECT_TRUE(std::isnan(value(found, "F/pearson")));
  EXPECT_TRUE(std::isnan(value(found, "F/pearson/replicates")));
  ASSERT_EQ(found.degenerate.size(), 1U);
  EXPECT_EQ(found.degenerate[0], "reward 'r1' is 0");
  const PairMatrix& noisy = metric(found, "F/2-2/replicates");
  EXPECT_TRUE(std::isnan(noisy.values[0][2].item<double>()));
  EXPECT_EQ(
      noisy.reasons.at(2).find("too few samples: <c, c'> of two replicates of reward 'r2' is "),
      0U);
  EXPECT_NE(noisy.reasons.at(2).find("not above 0 at the level 0.05"), std::string::npos);
  for (const PairMatrix& matrix :
       found.metrics) {  // a reason where there is no number, and only there
    for (std::int64_t i = 0; i < 9; ++i) {
      const bool reasoned =
          !matrix.reasons.empty() && !matrix.reasons[static_cast<std::size_t>(i)].empty();
      EXPECT_EQ(std::isnan(matrix.values.view(-1)[i].item<double>()), reasoned) << matrix.key << i;
    }
  }
}

TEST(Estimates, FewEpisodes) {
  Normal normal(12);
  Points of = points(6, 10, 100, 13);
  of.first = normal({2, 60});
  of.second = of.first;
  const Comparison found = of.compare(options({"2-2"}));
  EXPECT_GT(value(found, "F/2-2"), 0);
  for (const char* key : {"F/2-2/low", "F/2-2/high", "F/2-2/replicates"}) {
    EXPECT_TRUE(std::isnan(value(found, key))) << key;
    EXPECT_EQ(metric(found, key).reasons.at(1),
              "too few samples: 6 episodes, fewer than min_episodes = 10");
  }
}

TEST(ReadSamples, NumbersEpisodesAndChecks) {
  const auto toy = testing::toy_sampled_world();
  const SampledData data = read_samples(*toy, "test");
  EXPECT_EQ(data.episodes, 6);
  EXPECT_EQ(data.episode[47].item<std::int64_t>(), 5);
  EXPECT_EQ(data.rewards.size(0), 6);
  const Error error =
      test::caught([] { static_cast<void>(read_samples(*testing::toy_tabular_world(), "test")); });
  EXPECT_EQ(error.kind(), ErrorKind::invalid);
  EXPECT_EQ(error.message().find("test compares drawn transitions"), 0U);
  EXPECT_EQ(test::caught([] { static_cast<void>(parse_sample_measure("3-3")); }).help(),
            "there are 2-2, pearson and angle");
}

}  // namespace
}  // namespace saffron::rewards
