#include "plugins/sources/planted/planted.h"

#include <saffron/testing/fake_context.h>

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <cmath>
#include <map>
#include <set>
#include <vector>

// How often features are active, against the values measured on the published generators.

namespace saffron::plugins {
namespace {

using Options = PlantedSource::Options;

at::Tensor mean_probability(const GeneratorSettings& settings, std::int64_t rows,
                            std::uint64_t seed) {
  return Bernoulli(settings, Random(seed)).probabilities(0, rows).to(at::kDouble).mean(0);
}

// Coefficients of the first `blocks` blocks.
at::Tensor coefficients(const Options& options, std::int64_t blocks, std::uint64_t seed = 1) {
  const testing::FakeContext context(seed);
  PlantedSource source(options, context);
  std::vector<at::Tensor> parts;
  for (std::int64_t b = 0; b < blocks; ++b) parts.push_back(source.coefficients(b));
  return at::cat(parts);
}

double at_feature(const at::Tensor& frequency, std::int64_t i) {
  return frequency[i].item<double>();
}

TEST(Frequencies, FlatAsPublishedIsFlat) {
  const at::Tensor c =
      coefficients({.semantics = Semantics::as_published, .block_rows = 10'000}, 1);
  const at::Tensor active = (c != 0).to(at::kDouble);
  EXPECT_NEAR(active.sum(1).mean().item<double>(), 5.0, 0.2);
  const at::Tensor frequency = active.mean(0);
  EXPECT_NEAR(at_feature(frequency, 0), 0.0216, 0.0045);
  // One feature's frequency over 10,000 rows has a standard error of .001, to which the luck of its
  // covariance row adds; averages over ranges of features show that nothing decays.
  for (const auto& [begin, end] : {std::pair{1, 128}, std::pair{128, 320}, std::pair{320, 512}}) {
    EXPECT_NEAR(frequency.slice(0, begin, end).mean().item<double>(), 0.0097, 0.0005);
  }
  EXPECT_LT((frequency.slice(0, 1) - 0.0097).abs().mean().item<double>(), 0.002);
}

TEST(Frequencies, FlatAsIntendedDecays) {
  const GeneratorSettings settings{.kind = Kind::flat};
  const at::Tensor p = mean_probability(settings, 4000, 3);
  EXPECT_NEAR(p.sum().item<double>(), 5.0, 0.1);
  // E[U^(.99 i)] = 1 / (1 + .99 i), and the scale is common to all up to its own spread.
  for (const std::int64_t i : {10, 50, 200, 400}) {
    EXPECT_NEAR(at_feature(p, i) * (1 + 0.99 * static_cast<double>(i)) / at_feature(p, 0), 1, 0.25);
  }
}

TEST(Frequencies, CorrelatedTableOfTheReference) {
  for (const auto semantics : {Semantics::as_published, Semantics::intended}) {
    const GeneratorSettings settings{
        .kind = Kind::correlated, .semantics = semantics, .shared_rows = 4};
    const at::Tensor p = mean_probability(settings, 8192, 5);
    EXPECT_NEAR(at_feature(p, 0), 0.0499, 0.15 * 0.0499);
    EXPECT_NEAR(at_feature(p, 100), 0.0187, 0.15 * 0.0187);
    EXPECT_NEAR(at_feature(p, 300), 0.0025, 0.15 * 0.0025);
    EXPECT_NEAR(at_feature(p, 511), 0.0003, 0.15 * 0.0003);
    EXPECT_NEAR(p.sum().item<double>(), 5.0, 0.01);
  }
}

// Phi of a normal of variance 1 is uniform: E p^2 / (E p)^2 = 4 / 3. As published the variance v is
// about 9.8 and it is 1 + 2 asin(v / (1 + v)) / pi = 1.73. The sum over features, by which p is
// divided, moves both a little.
TEST(Frequencies, CorrelatedAsIntendedHasUnitVariance) {
  const auto spread = [](Semantics semantics) {
    const GeneratorSettings settings{.kind = Kind::correlated, .semantics = semantics};
    const at::Tensor p =
        Bernoulli(settings, Random(5)).probabilities(0, 8192).to(at::kDouble).slice(1, 0, 400);
    return p.square().mean(0) / p.mean(0).square();
  };
  const at::Tensor intended = spread(Semantics::intended);
  EXPECT_NEAR(intended.mean().item<double>(), 4 / 3.0, 0.02);
  EXPECT_LT((intended - 4 / 3.0).abs().max().item<double>(), 0.1);
  EXPECT_NEAR(spread(Semantics::as_published).mean().item<double>(), 1.76, 0.05);
}

TEST(Frequencies, CorrelatedDrawsFollowTheirProbabilities) {
  const Options options{.generator = Kind::correlated, .block_rows = 8192};
  const at::Tensor active = (coefficients(options, 1) != 0).to(at::kDouble);
  EXPECT_EQ(active.sum(1).min().item<double>(), 1);  // no row is empty
  const at::Tensor frequency = active.mean(0);
  EXPECT_NEAR(at_feature(frequency, 0), 0.0499, 0.15 * 0.0499);
  EXPECT_NEAR(frequency.slice(0, 90, 110).mean().item<double>(), 0.0187, 0.15 * 0.0187);
}

// As published the rows of a block share their probabilities: feature counts of two halves of a
// block agree far better than those of two blocks.
TEST(Frequencies, CorrelatedAsPublishedSharesItsDraw) {
  const auto spread = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a != 0).sum(0) - (b != 0).sum(0)).to(at::kDouble).square().sum().item<double>();
  };
  const Options published{
      .generator = Kind::correlated, .semantics = Semantics::as_published, .block_rows = 2048};
  const at::Tensor c = coefficients(published, 2);
  const double inside = spread(c.slice(0, 0, 1024), c.slice(0, 1024, 2048));
  EXPECT_GT(spread(c.slice(0, 0, 1024), c.slice(0, 2048, 3072)), 4 * inside);
  Options intended = published;
  intended.semantics = Semantics::intended;
  const at::Tensor d = coefficients(intended, 2);
  const double own = spread(d.slice(0, 0, 1024), d.slice(0, 1024, 2048));
  EXPECT_LT(spread(d.slice(0, 0, 1024), d.slice(0, 2048, 3072)), 2 * own);
}

TEST(Frequencies, UncorrelatedMeanL0) {
  const auto l0 = [](Semantics semantics) {
    const at::Tensor c = coefficients(
        {.generator = Kind::uncorrelated, .semantics = semantics, .block_rows = 10'000}, 1);
    return (c != 0).sum(1).to(at::kDouble).mean().item<double>();
  };
  EXPECT_NEAR(l0(Semantics::as_published), 0.97, 0.05);
  EXPECT_NEAR(l0(Semantics::intended), 5.0, 0.1);
}

TEST(Frequencies, StrengthsAreUniform) {
  const at::Tensor c = coefficients({.block_rows = 4096}, 1);
  const at::Tensor values = c.masked_select(c != 0).to(at::kDouble);
  const double n = static_cast<double>(values.numel());
  EXPECT_GT(n, 15'000);
  EXPECT_NEAR(values.mean().item<double>(), 0.5, 5 * std::sqrt(1 / 12.0 / n));
  EXPECT_NEAR(values.square().mean().item<double>(), 1 / 3.0, 5 * std::sqrt(4 / 45.0 / n));
  EXPECT_LT(values.max().item<double>(), 1.0 + 1e-9);
}

TEST(Grouped, ExactlyActiveFeaturesOfOneGroup) {
  for (const auto semantics : {Semantics::intended, Semantics::as_published}) {
    const at::Tensor c =
        coefficients({.generator = Kind::grouped, .semantics = semantics, .block_rows = 1000}, 1);
    const at::Tensor active = c != 0;
    EXPECT_EQ(active.sum(1).min().item<std::int64_t>(), 32);
    EXPECT_EQ(active.sum(1).max().item<std::int64_t>(), 32);
    EXPECT_EQ(active.slice(1, 504).sum().item<std::int64_t>(), 0);  // 8 of 512 are never used
    const at::Tensor groups = active.slice(1, 0, 504).view({1000, 12, 42}).any(2).sum(1);
    EXPECT_EQ(groups.max().item<std::int64_t>(), 1);
  }
}

// Chi-square of 12 groups; its 99.9 % point with 11 degrees of freedom is 31.26.
TEST(Grouped, GroupsAreUniform) {
  const Grouped generator({.kind = Kind::grouped, .active = 32}, Random(2));
  std::vector<double> counts(12);
  const int rows = 24'000;
  for (int r = 0; r < rows; ++r) counts[static_cast<std::size_t>(generator.group_of(r))] += 1;
  double statistic = 0;
  for (const double n : counts) statistic += (n - rows / 12.0) * (n - rows / 12.0) / (rows / 12.0);
  EXPECT_LT(statistic, 31.26);
}

// One of three with weights 1, 1/2, 1/4, then the inclusion of the others follows by enumeration.
TEST(Grouped, SupportsFollowTheWeights) {
  const Options options{.generator = Kind::grouped,
                        .features = 3,
                        .width = 4,
                        .active = 2,
                        .decay = 0.5,
                        .groups = 1,
                        .block_rows = 40'000};
  const at::Tensor inclusion = (coefficients(options, 1) != 0).to(at::kDouble).mean(0);
  const double w[3] = {1, 0.5, 0.25};
  double expected[3] = {0, 0, 0};
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      if (a == b) continue;
      const double p = w[a] / 1.75 * w[b] / (1.75 - w[a]);
      expected[a] += p;
      expected[b] += p;
    }
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(at_feature(inclusion, i), expected[i], 5 * 0.5 / std::sqrt(40'000.0));
  }
}

// .9^990 is below what float can hold, and the race is still fair: around the last feature that fits
// inclusion fades over tens of features.
TEST(Grouped, TinyWeightsStayWeights) {
  const Options options{.generator = Kind::grouped,
                        .features = 1200,
                        .width = 2,
                        .active = 990,
                        .decay = 0.9,
                        .groups = 1,
                        .block_rows = 200};
  const at::Tensor inclusion = (coefficients(options, 1) != 0).to(at::kDouble).mean(0);
  EXPECT_NEAR(inclusion.sum().item<double>(), 990, 0.5);
  for (const std::int64_t i : {985, 989, 990, 995}) {
    EXPECT_GT(at_feature(inclusion, i), 0.05) << i;
    EXPECT_LT(at_feature(inclusion, i), 0.95) << i;
  }
  EXPECT_GT(at_feature(inclusion, 900), 0.98);
  EXPECT_LT(at_feature(inclusion, 1100), 0.02);
}

TEST(Grouped, SupportsAreSharedAsPublishedAndFreshAsIntended) {
  const auto supports = [](const Options& options, std::int64_t blocks) {
    const at::Tensor active = coefficients(options, blocks) != 0;
    std::map<std::int64_t, std::set<std::vector<std::int64_t>>> of_group;
    for (std::int64_t r = 0; r < active.size(0); ++r) {
      const at::Tensor features = active[r].nonzero().squeeze(1);
      const auto* p = features.const_data_ptr<std::int64_t>();
      of_group[p[0] / 42].insert(std::vector<std::int64_t>(p, p + features.numel()));
    }
    std::size_t distinct = 0;
    for (const auto& [group, sets] : of_group) distinct += sets.size();
    return distinct;
  };
  Options options{
      .generator = Kind::grouped, .semantics = Semantics::as_published, .block_rows = 300};
  EXPECT_EQ(supports(options, 2), 12u);  // 1,000,000 rows share them
  options.shared_rows = 300;
  EXPECT_EQ(supports(options, 2), 24u);
  options.shared_rows.reset();
  options.semantics = Semantics::intended;
  EXPECT_EQ(supports(options, 2), 600u);
}

}  // namespace
}  // namespace saffron::plugins
