#include "plugins/comparators/epic/epic_sample.h"
#include "plugins/comparators/epic/epic.h"
#include "tests/caught.h"
#include "tests/plugins/comparators/sampled/sampled_testing.h"

#include <ATen/Parallel.h>
#include <ATen/ops/index.h>

#include <map>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

EpicSample::Options options(EpicSample::Method method, std::int64_t transitions, std::int64_t pairs,
                            std::vector<std::string> distances) {
  return {.method = method,
          .transitions = transitions,
          .pairs = pairs,
          .states = pairs,
          .estimate = quick(std::move(distances))};
}

MemoryWorld world_of(RandomWorlds& random) {
  const at::Tensor tau = ring(random, 5, 3);
  const at::Tensor a = random.normal({5, 3, 5}), b = a + random.normal({5, 3, 5});
  return MemoryWorld(tau, uniform({5}), 0.9, {{"a", a}, {"b", b}});
}

TEST(EpicSample, ComesToTheExactDistance) {
  RandomWorlds random(11);
  const MemoryWorld world = world_of(random);
  const Comparison exact = Epic({{"pearson-reachable", "pearson-uniform"}}).compare(world);
  for (const std::uint64_t seed : {1, 2, 3}) {
    const auto sample = drawn(world, 200, 20, seed);
    const FakeContext context(seed);
    const Comparison found =
        EpicSample(options(EpicSample::Method::sample, 4000, 4000, {"pearson"}), context)
            .compare(*sample);
    const double truth = between(metric(exact, "EPIC/pearson-reachable"), 0, 1);
    expect_near_truth(found, "EPIC_sample/pearson", 0, 1, truth, 4);
    expect_near_truth(found, "EPIC_sample/pearson/replicates", 0, 1, truth, 4);
    const Comparison mesh = EpicSample({.method = EpicSample::Method::mesh,
                                        .pairs = 4000,
                                        .actions = 4000,
                                        .estimate = quick({"pearson"})},
                                       context)
                                .compare(*sample);
    expect_near_truth(mesh, "EPIC_mesh/pearson", 0, 1,
                      between(metric(exact, "EPIC/pearson-uniform"), 0, 1), 4);
  }
}

// All expectations are over one sample: no term of a potential is left, of any potential.
TEST(EpicSample, ShapingIsRemovedExactly) {
  const auto toy = toy_sampled_world();  // r, shaped, doubled, negated, other, zero
  const FakeContext context;
  for (const auto method : {EpicSample::Method::sample, EpicSample::Method::mesh}) {
    EpicSample::Options given = options(method, 40, 15, {"2-2", "pearson", "angle"});
    given.estimate.min_episodes = 2;
    const Comparison found = EpicSample(given, context).compare(*toy);
    int defined = 0;
    for (const PairMatrix& matrix : found.metrics) {
      if (std::isnan(between(matrix, 0, 1))) continue;  // replicates that are too noisy say so
      ++defined;
      EXPECT_LT(between(matrix, 0, 1), 1e-12) << matrix.key;
      EXPECT_LT(between(matrix, 0, 2), 1e-12) << matrix.key;
    }
    EXPECT_GE(defined, 9);
    const std::string name = method == EpicSample::Method::sample ? "EPIC_sample" : "EPIC_mesh";
    EXPECT_NEAR(between(metric(found, name + "/pearson"), 0, 3), 1, 1e-12);
    EXPECT_GT(between(metric(found, name + "/pearson"), 0, 4), 0.1);
    EXPECT_EQ(between(metric(found, name + "/2-2"), 0, 5), 1);
    EXPECT_TRUE(std::isnan(between(metric(found, name + "/pearson"), 0, 5)));
    ASSERT_EQ(found.degenerate.size(), 1U);
    EXPECT_EQ(found.degenerate[0], "reward 'zero' is potential shaping alone");
  }
}

// Of a world of one action and one state to come to, the sample leaves nothing to chance:
// m(s) = R(s, 0, 0), so that C can be written out.
TEST(EpicSample, WrittenOut) {
  at::Tensor tau = at::zeros({3, 1, 3}, at::kDouble);
  tau.select(2, 1).fill_(0.5);
  tau.select(2, 2).fill_(0.5);
  RandomWorlds random(12);
  at::Tensor start = at::zeros({3}, at::kDouble);
  start[0] = 1;
  const at::Tensor R = random.normal({3, 1, 3}), Q = random.normal({3, 1, 3});
  const MemoryWorld world(tau, start, 0.8, {{"R", R}, {"Q", Q}});
  const auto sample = drawn(world, 40, 1, 5);  // from state 0 to 1 or 2, once
  const auto* of = dynamic_cast<const SampledWorld*>(sample.get());
  const FakeContext context;
  const Comparison found =
      EpicSample(options(EpicSample::Method::sample, 100, 7, {"2-2"}), context).compare(*sample);
  std::vector<at::Tensor> forms;
  for (const at::Tensor& r : {R, Q}) {
    const at::Tensor m = r.select(2, 0).view(-1);  // all pairs are (0, 0)
    const at::Tensor next = of->next_states();
    forms.push_back(r[0][0].index_select(0, next) + 0.8 * m.index_select(0, next) - m[0] -
                    0.8 * m[0]);
    forms.back() = forms.back() / forms.back().norm();
  }
  EXPECT_NEAR(between(metric(found, "EPIC_sample/2-2"), 0, 1),
              (forms[0] - forms[1]).norm().item<double>(), 1e-12);
}

// Counts how often a transition is asked for.
struct CountingWorld final : World, SampledWorld {
  explicit CountingWorld(std::shared_ptr<World> world)
      : owner(std::move(world)), of(dynamic_cast<const SampledWorld&>(*owner)) {}
  const WorldInfo& info() const override { return owner->info(); }
  double gamma() const override { return of.gamma(); }
  const at::Tensor& states() const override { return of.states(); }
  const at::Tensor& actions() const override { return of.actions(); }
  const at::Tensor& next_states() const override { return of.next_states(); }
  const at::Tensor& terminal() const override { return of.terminal(); }
  const at::Tensor& episodes() const override { return of.episodes(); }
  at::Tensor evaluate(std::int64_t reward, const at::Tensor& s, const at::Tensor& a,
                      const at::Tensor& next) const override {
    asked += s.size(0);
    return of.evaluate(reward, s, a, next);
  }
  std::shared_ptr<World> owner;
  const SampledWorld& of;
  mutable std::int64_t asked = 0;
};

TEST(EpicSample, RepeatedTransitionsAreEvaluatedOnce) {
  RandomWorlds random(13);
  const MemoryWorld world = world_of(random);
  const CountingWorld counting(drawn(world, 50, 20, 1));
  EpicSample::Options given = options(EpicSample::Method::sample, 1000, 1000, {"2-2"});
  given.estimate.replicates = false;
  const FakeContext context;
  static_cast<void>(EpicSample(given, context).compare(counting));
  // The data, and at most every state with every action and every state.
  EXPECT_LE(counting.asked, 2 * (1000 + 5 * 3 * 5));
}

TEST(EpicSample, ThreadsChangeNothing) {
  RandomWorlds random(14);
  const auto sample = drawn(world_of(random), 30, 10, 1);
  const FakeContext context;
  const auto compare = [&](int threads) {
    at::set_num_threads(threads);
    return EpicSample(options(EpicSample::Method::sample, 200, 100, {"2-2", "pearson"}), context)
        .compare(*sample);
  };
  const Comparison one = compare(1), two = compare(2);
  at::set_num_threads(1);
  for (std::size_t i = 0; i < one.metrics.size(); ++i) {
    EXPECT_TRUE(one.metrics[i].values.nan_to_num(7).equal(two.metrics[i].values.nan_to_num(7)))
        << one.metrics[i].key;
  }
}

TEST(EpicSample, WhatIsRefused) {
  RandomWorlds random(15);
  const MemoryWorld world = world_of(random);
  const FakeContext context;
  const Error table =
      test::caught([&] { static_cast<void>(EpicSample({}, context).compare(world)); });
  EXPECT_EQ(table.kind(), ErrorKind::invalid);
  EXPECT_NE(table.message().find("epic_sample compares drawn transitions"), std::string::npos);
  EpicSample::Options small;
  small.memory = 1;
  small.estimate.resamples = 100'000;
  const auto sample = drawn(world, 20, 10, 1);
  const Error memory =
      test::caught([&] { static_cast<void>(EpicSample(small, context).compare(*sample)); });
  EXPECT_NE(memory.message().find("more than memory = 1"), std::string::npos) << memory.what();
  MemoryWorld broken = world;
  broken.rewards_ = world.rewards_.clone();
  broken.rewards_[1].fill_(std::numeric_limits<double>::quiet_NaN());
  const auto wrong = drawn(broken, 20, 10, 1);
  const Error finite =
      test::caught([&] { static_cast<void>(EpicSample({}, context).compare(*wrong)); });
  EXPECT_EQ(finite.kind(), ErrorKind::numeric);
  EXPECT_NE(finite.message().find("reward 'b' is nan from state ["), std::string::npos)
      << finite.what();
}

}  // namespace
}  // namespace saffron::plugins
