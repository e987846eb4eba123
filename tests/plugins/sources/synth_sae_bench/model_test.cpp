#include "plugins/sources/synth_sae_bench/dictionary.h"
#include "plugins/sources/synth_sae_bench/normal_table.h"
#include "support.h"
#include "tests/plugins/sources/fakes.h"

#include <saffron/error.h>

#include <gtest/gtest.h>

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <numeric>

// The constants of the generator against their formulas, written out again.

namespace saffron::plugins::synth {
namespace {

double total(const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

TEST(SynthModel, FiringIsZipfianBetweenItsBounds) {
  const FeatureModel model = model_of({});
  ASSERT_EQ(model.features(), 16'384);
  EXPECT_DOUBLE_EQ(model.base.front(), 0.4);
  EXPECT_DOUBLE_EQ(model.base.back(), 5e-4);
  // r = 1 / 10 and 1 / 128 at ranks 100 and 16,384.
  EXPECT_NEAR(model.base[99], 5e-4 + 0.3995 * (0.1 - 1 / 128.0) / (1 - 1 / 128.0), 1e-15);
  EXPECT_NEAR(total(model.base), 59.14, 0.01);
}

TEST(SynthModel, TreesAreNumberedBreadthFirst) {
  const Hierarchy h;
  EXPECT_EQ(h.nodes(), 10'880);
  EXPECT_EQ(h.parents(), 128 * (1 + 4 + 16));
  EXPECT_EQ(h.first_child(0), 128);
  EXPECT_EQ(h.first_child(1), 132);
  EXPECT_EQ(h.first_child(128), 128 + 512);  // the first node of depth 1 has the first of depth 2
  EXPECT_EQ(h.first_child(h.parents() - 1) + 3, h.nodes() - 1);
  for (const std::int64_t i : {0, 5, 127, 128, 2000}) {
    EXPECT_EQ(h.parent(h.first_child(i)), i);
    EXPECT_EQ(h.parent(h.first_child(i) + 3), i);
  }
  EXPECT_EQ((Hierarchy{.roots = 0}.nodes()), 0);
}

TEST(SynthModel, ChildrenAreCompensated) {
  Options o;
  o.features = 4;
  o.hierarchy = {.roots = 1, .branching = 2, .depth = 1};
  const std::vector<double> p = model_of(o).base;
  o.hierarchy.exclusive = 0;
  const std::vector<double> free = model_of(o).probabilities;
  EXPECT_EQ(free[0], p[0]);
  EXPECT_EQ(free[3], p[3]);
  EXPECT_DOUBLE_EQ(free[1], p[1] / p[0]);
  EXPECT_DOUBLE_EQ(free[2], p[2] / p[0]);
  o.hierarchy.exclusive = 1;
  const std::vector<double> rivals = model_of(o).probabilities;
  EXPECT_DOUBLE_EQ(rivals[1], p[1] / p[0] * (1 + p[2] / p[0]));
  EXPECT_DOUBLE_EQ(rivals[2], p[2] / p[0] * (1 + p[1] / p[0]));
  o.hierarchy.compensate = false;
  EXPECT_EQ(model_of(o).probabilities, p);
}

TEST(SynthModel, CompensationIsClipped) {
  const auto largest = [](const Options& o) {
    const std::vector<double> q = model_of(o).probabilities;
    return *std::max_element(q.begin() + o.hierarchy.roots, q.end());
  };
  EXPECT_LT(largest({}), 1);  // no child of the benchmark needs it
  Options o = small();
  o.firing = {.exponent = 0.5, .maximum = 0.3, .minimum = 0.2};
  EXPECT_EQ(largest(o), 1);
}

TEST(SynthModel, CopulaHasUnitVariance) {
  Options o = small();
  o.features = 2000;
  o.hierarchy.roots = 0;
  const FeatureModel model = model_of(o);
  const at::Tensor squares = model.factor.square().sum(1);
  EXPECT_EQ(model.factor.sizes(), (at::IntArrayRef{2000, 3}));
  EXPECT_NEAR(squares.mean().item<double>(), 3 * 0.35 * 0.35, 0.02);
  std::int64_t shortened = 0;
  for (std::int64_t i = 0; i < 2000; ++i) {
    const double s = model.residual[static_cast<std::size_t>(i)];
    EXPECT_NEAR(s * s + squares[i].item<double>(), 1, 1e-12);
    EXPECT_GT(s, 0.0999999);
    shortened += s < 0.1000001 ? 1 : 0;
    EXPECT_NEAR(normal_cdf(-model.thresholds[static_cast<std::size_t>(i)]),
                model.probabilities[static_cast<std::size_t>(i)], 1e-12);
  }
  EXPECT_GT(shortened, 20);
  o.correlation.scale = 0;
  EXPECT_EQ(model_of(o).residual, std::vector<double>(2000, 1.0));
}

TEST(SynthModel, MagnitudesAreLinearWithFoldedNormalDeviations) {
  Options o;
  o.magnitude = {.first = 5, .last = 4, .deviation = 0.5, .deviation_spread = 0.5};
  const FeatureModel model = model_of(o);
  EXPECT_DOUBLE_EQ(model.mean.front(), 5);
  EXPECT_DOUBLE_EQ(model.mean.back(), 4);
  EXPECT_NEAR(model.mean[8192], 5 - 8192 / 16'383.0, 1e-12);
  // E |N(m, m^2)| = m (sqrt(2 / pi) exp(-1/2) + 1 - 2 Phi(-1)),  E |.|^2 = 2 m^2.
  const double n = 16'384;
  const double first =
      0.5 * (std::sqrt(2 / std::numbers::pi) * std::exp(-0.5) + 1 - 2 * normal_cdf(-1.0));
  double squares = 0;
  for (const double d : model.deviation) squares += d * d;
  EXPECT_GE(*std::min_element(model.deviation.begin(), model.deviation.end()), 0);
  expect_within(total(model.deviation) / n, first, std::sqrt((0.5 - first * first) / n));
  expect_within(squares / n, 0.5, std::sqrt(6 * 0.0625 / n));
}

TEST(SynthModel, ExclusiveParentsAreAShareOfTheEligible) {
  const auto exclusive = [](double share, std::int64_t from) {
    Options o = small();
    o.hierarchy.exclusive = share;
    o.hierarchy.exclusive_from = from;
    return model_of(o).exclusive;
  };
  const auto sum = [](const std::vector<std::uint8_t>& v) {
    return std::accumulate(v.begin(), v.end(), 0);
  };
  EXPECT_EQ(sum(exclusive(1, 0)), 16);
  EXPECT_EQ(sum(exclusive(0.6, 0)), 9);
  EXPECT_EQ(sum(exclusive(0, 0)), 0);
  EXPECT_EQ(sum(exclusive(1, 1)), 12);
  EXPECT_EQ(exclusive(1, 1)[3], 0);
  EXPECT_EQ(exclusive(1, 1)[4], 1);
  EXPECT_EQ(sum(exclusive(0.5, 1)), 6);
  EXPECT_EQ(sum(exclusive(1, 2)), 0);
}

TEST(SynthModel, ComesFromTheModelSeedAlone) {
  const auto features = [](std::uint64_t seed, std::int64_t model_seed) {
    Options o = small();
    o.model_seed = model_seed;
    const testing::FakeContext context(seed);
    const SynthSaeBench source(o, context);
    return std::vector<at::Tensor>{source.features(0), source.bias(), source.model().factor};
  };
  const auto one = features(1, 42), two = features(2, 42), other = features(1, 43);
  for (std::size_t i = 0; i < one.size(); ++i) {
    EXPECT_TRUE(at::equal(one[i], two[i]));
    EXPECT_FALSE(at::equal(one[i], other[i]));
  }
}

// Gradient of the loss summed over all pairs as published, Adam by hand, in double precision.
at::Tensor orthogonalized_by_hand(at::Tensor e, std::int64_t steps, double lr) {
  const auto n = static_cast<double>(e.size(0));
  at::Tensor m = e * 0, v = e * 0;
  for (std::int64_t t = 1; t <= steps; ++t) {
    const at::Tensor products = at::mm(e, e.t());
    const at::Tensor own = products.diagonal();
    const at::Tensor between = products * (1 - at::eye(e.size(0), e.options()));
    const at::Tensor g = 4 * at::mm(between, e) + 4 * n * (own - 1).unsqueeze(1) * e;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    const double c1 = 1 - std::pow(0.9, t), c2 = 1 - std::pow(0.999, t);
    e = e - lr * (m / c1) / ((v / c2).sqrt() + 1e-8);
  }
  return e / e.norm(2, at::IntArrayRef{1}, true);
}

TEST(SynthDictionary, FollowsThePublishedLoss) {
  const testing::FakeContext context;
  for (const auto& [count, width] : {std::pair{9, 4}, std::pair{40, 16}, std::pair{1100, 8}}) {
    const at::Tensor start = random_directions(count, width, Random(3));
    const at::Tensor ours = orthogonalized(start, {.steps = 12, .lr = 0.003}, context);
    const at::Tensor theirs = orthogonalized_by_hand(start.to(at::kDouble), 12, 0.003);
    // Steps of Adam have the size of lr whatever the gradient, which near 0 rounding decides.
    EXPECT_LT((ours.to(at::kDouble) - theirs).abs().max().item<double>(), 2e-3) << count;
    EXPECT_LT((ours.to(at::kDouble) - theirs).abs().mean().item<double>(), 1e-5) << count;
    EXPECT_GT((start.to(at::kDouble) - theirs).abs().mean().item<double>(), 1e-2) << count;
  }
}

TEST(SynthDictionary, TurnsRowsAwayFromEachOther) {
  const testing::FakeContext context;
  const at::Tensor start = random_directions(40, 24, Random(3));
  const auto overlap = [](const at::Tensor& e) {
    return (at::mm(e, e.t()) - at::eye(40)).square().sum().item<double>();
  };
  const at::Tensor end = orthogonalized(start, {.steps = 400, .lr = 0.01}, context);
  EXPECT_TRUE(end.norm(2, at::IntArrayRef{1}).allclose(at::ones({40}), 1e-5, 1e-5));
  // 40 unit rows in 24 dimensions overlap by at least 40 (40 / 24 - 1) (Welch's bound).
  EXPECT_NEAR(overlap(end), 40 * (40 / 24.0 - 1), 0.2);
  EXPECT_GT(overlap(start), 50);
  EXPECT_TRUE(orthogonalized(start, {.steps = 0}, context).allclose(start, 1e-6, 1e-7));
}

TEST(SynthDictionary, DoesNotDependOnTheNumberOfThreads) {
  const testing::FakeContext context;
  const int before = at::get_num_threads();
  for (const std::int64_t count : {50, 1100, 2500}) {
    const at::Tensor start = random_directions(count, 64, Random(3));
    at::set_num_threads(1);
    const at::Tensor one = orthogonalized(start, {.steps = 3, .lr = 0.01}, context);
    at::set_num_threads(3);
    EXPECT_TRUE(at::equal(orthogonalized(start, {.steps = 3, .lr = 0.01}, context), one)) << count;
  }
  at::set_num_threads(before);
}

TEST(SynthDictionary, StopsWhenCancelled) {
  source_test::FakeContext context;
  context.cancel_after = 3;
  const at::Tensor start = random_directions(20, 8, Random(3));
  const Error error = test::caught([&] { (void)orthogonalized(start, {.steps = 10}, context); });
  EXPECT_EQ(error.kind(), ErrorKind::cancelled);
  EXPECT_EQ(context.last, "spreading out features 3/10");
}

}  // namespace
}  // namespace saffron::plugins::synth
