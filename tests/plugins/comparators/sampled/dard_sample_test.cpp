#include "plugins/comparators/dard/dard_sample.h"
#include "plugins/comparators/dard/dard.h"
#include "tests/caught.h"
#include "tests/plugins/comparators/sampled/sampled_testing.h"

#include <ATen/ops/bincount.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <map>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

DardSample::Options options(std::int64_t transitions, std::int64_t draws) {
  return {.transitions = transitions,
          .draws = draws,
          .actions = {"shared", "independent"},
          .estimate = quick({"pearson", "2-2"})};
}

// Many draws, so that little of the error is theirs.
TEST(DardSample, ComesToTheExactDistanceInBothReadings) {
  RandomWorlds random(21);
  const at::Tensor tau = ring(random, 4, 3), a = random.normal({4, 3, 4});
  const MemoryWorld world(tau, uniform({4}), 0.9, {{"a", a}, {"b", a + random.normal({4, 3, 4})}});
  const Comparison exact =
      Dard({.pairs = {"pearson-reachable"}, .actions = {"shared", "independent"}}).compare(world);
  for (const std::uint64_t seed : {1, 2}) {
    const auto sample = drawn(world, 300, 20, seed);
    const FakeContext context(seed);
    const Comparison found = DardSample(options(3000, 300), context).compare(*sample);
    for (const char* name : {"DARD", "DARD_indepA"}) {
      const double truth = between(metric(exact, std::string(name) + "/pearson-reachable"), 0, 1);
      for (const char* which : {"_sample/pearson", "_sample/pearson/replicates"}) {
        EXPECT_NEAR(between(metric(found, std::string(name) + which), 0, 1), truth, 0.03) << name;
      }
    }
  }
}

TEST(DardSample, ShapingIsRemovedExactlyAlsoAtTerminalStates) {
  RandomWorlds random(22);
  at::Tensor tau = random.transitions(5, 2);
  tau[3].zero_();  // terminal
  const at::Tensor R = random.normal({5, 2, 5});
  const MemoryWorld world(tau, uniform({5}), 0.8,
                          {{"R", R},
                           {"shaped", 2 * (R + random.shaping(tau, 0.8))},
                           {"shaping", random.shaping(tau, 0.8)}});
  const auto sample = drawn(world, 100, 10, 3);
  const FakeContext context;
  const Comparison found = DardSample(options(200, 7), context).compare(*sample);
  int defined = 0;
  for (const PairMatrix& matrix : found.metrics) {
    if (std::isnan(between(matrix, 0, 1))) continue;
    ++defined;
    EXPECT_LT(between(matrix, 0, 1), 1e-12) << matrix.key;
  }
  EXPECT_EQ(defined, static_cast<int>(found.metrics.size()));
  ASSERT_FALSE(found.degenerate.empty());
  EXPECT_EQ(found.degenerate[0], "reward 'shaping' is potential shaping alone");
}

// E R(S', A, S'') of two independent successors, also where s' = s: one draw would follow itself.
TEST(DardSample, TransitionsThatStay) {
  RandomWorlds random(25);
  const at::Tensor tau = random.transitions(2, 2);
  const MemoryWorld world(tau, uniform({2}), 0.9,
                          {{"a", random.normal({2, 2, 2})}, {"b", random.normal({2, 2, 2})}});
  const auto sample = drawn(world, 400, 20, 1);
  const FakeContext context;
  const Comparison found = DardSample(options(8000, 400), context).compare(*sample);
  // Exact means under what the data are like: D_S x D_A x tau with the frequencies of states.
  MemoryWorld like(world);
  const auto* of = dynamic_cast<const SampledWorld*>(sample.get());
  like.D_S = at::bincount(of->states().view(-1), {}, 2).to(at::kDouble) / 8000;
  const Comparison exact =
      Dard({.pairs = {"pearson-reachable"}, .actions = {"shared", "independent"}}).compare(like);
  for (const char* name : {"DARD", "DARD_indepA"}) {
    const double truth = between(metric(exact, std::string(name) + "/pearson-reachable"), 0, 1);
    EXPECT_NEAR(between(metric(found, std::string(name) + "_sample/pearson"), 0, 1), truth, 0.02)
        << name;
  }
}

// Intervals hold all that chance does: which episodes were drawn, which actions and which successors.
TEST(DardSample, IntervalsAreAsWideAsDistancesSpread) {
  RandomWorlds random(24);
  const at::Tensor tau = random.transitions(5, 3), a = random.normal({5, 3, 5});
  const MemoryWorld world(tau, uniform({5}), 0.9, {{"a", a}, {"b", a + random.normal({5, 3, 5})}});
  const int times = 60;
  std::map<std::string, std::vector<double>> values, errors;
  for (int seed = 1; seed <= times; ++seed) {
    const auto sample = drawn(world, 60, 10, static_cast<std::uint64_t>(seed));
    const FakeContext context(static_cast<std::uint64_t>(seed));
    const Comparison found = DardSample(options(400, 12), context).compare(*sample);
    for (const char* name : {"DARD_sample", "DARD_indepA_sample"}) {
      for (const char* which : {"/2-2", "/2-2/replicates"}) {
        const std::string key = cat(name, which);
        values[key].push_back(between(metric(found, key), 0, 1));
        errors[key].push_back((between(metric(found, key + "/high"), 0, 1) -
                               between(metric(found, key + "/low"), 0, 1)) /
                              3.92);
      }
    }
  }
  for (const auto& [key, of] : values) {
    const at::Tensor x = at::tensor(of, at::kDouble);
    const double spread = x.std(0, true).item<double>();
    const double said = at::tensor(errors[key], at::kDouble).median().item<double>();
    EXPECT_NEAR(said / spread, 1, 0.35) << key;
  }
}

// Two states that follow each other surely: C can be written out.
TEST(DardSample, WrittenOut) {
  at::Tensor tau = at::zeros({2, 1, 2}, at::kDouble);
  tau[0][0][1] = 1;
  tau[1][0][0] = 1;
  RandomWorlds random(23);
  const at::Tensor R = random.normal({2, 1, 2}), Q = random.normal({2, 1, 2});
  const MemoryWorld world(tau, uniform({2}), 0.7, {{"R", R}, {"Q", Q}});
  const auto sample = drawn(world, 31, 3, 1);
  const auto* of = dynamic_cast<const SampledWorld*>(sample.get());
  const FakeContext context;
  const Comparison found = DardSample(options(1000, 3), context).compare(*sample);
  // C(s, s') = R(s, s') + g R(s', s) - R(s, s') - g R(s', s), the successor of s being s': 0 at all.
  EXPECT_EQ(found.degenerate.size(), 2U);
  EXPECT_EQ(between(metric(found, "DARD_sample/2-2"), 0, 1), 0);
  EXPECT_EQ(of->states().size(0), 93);
}

TEST(DardSample, NothingComesAgain) {
  const auto toy = toy_sampled_world();
  const FakeContext context;
  const Error error =
      test::caught([&] { static_cast<void>(DardSample({}, context).compare(*toy)); });
  EXPECT_NE(error.message().find("no transition is covered"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace saffron::plugins
