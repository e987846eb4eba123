#include "plugins/comparators/regret_correlation/observations.h"

#include "plugins/comparators/epic/epic.h"
#include "plugins/comparators/minimal/minimal.h"
#include "plugins/comparators/regret/regret.h"
#include "plugins/comparators/regret_correlation/regret_correlation.h"
#include "plugins/comparators/span/span.h"
#include "plugins/comparators/val/val.h"
#include "plugins/worlds/random_mdp/random_mdp.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/testing/fake_context.h>

#include <ATen/Parallel.h>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

RandomMdp family() {
  RandomMdp::Options options;
  options.states = 6;
  options.actions = 3;
  options.interpolate = 4;
  options.environments = 3;
  options.draws = 2;
  return {options, FakeContext()};
}

// Every number is what the comparators themselves say of that pair of that member.
TEST(Observations, AreThoseOfTheComparators) {
  const RandomMdp world = family();
  Val val({{"2-2", "1-inf", "angle"}});
  Epic epic({{"pearson-uniform"}});
  Minimal minimal({{"2-2"}, {"one", "tau"}});
  const Observations found = observe(world, {{&val, &epic, &minimal}, false, true, {}, 1e-5});
  const std::vector<std::string> keys = {
      "VAL/2-2",        "VAL/1-inf",         "VAL/angle", "EPIC/pearson-uniform",
      "Minimal_L2/2-2", "Minimal_tauL2/2-2", "span"};
  EXPECT_EQ(found.keys, keys);
  ASSERT_EQ(found.rows.size() + static_cast<std::size_t>(found.left_out), 6u * 10);
  std::size_t row = 0;
  for (std::int64_t m = 0; m < world.members(); ++m) {
    const auto member = world.member(m);
    std::vector<PairMatrix> all;
    const auto add = [&](Comparison compared) {
      for (PairMatrix& matrix : compared.metrics) all.push_back(std::move(matrix));
    };
    add(val.compare(*member));
    add(epic.compare(*member));
    add(minimal.compare(*member));
    Span::Options span;
    span.metrics = {"span", "w12", "w21"};
    add(Span(span).compare(*member));
    add(Regret({}).compare(*member));
    const auto value = [&](const std::string& key, const Observation& of) {
      for (const PairMatrix& matrix : all) {
        if (matrix.key == key) return between(matrix, of.first, of.second);
      }
      throw Error(cat("no ", key));
    };
    for (; row < found.rows.size() && found.rows[row].member == m; ++row) {
      const Observation& o = found.rows[row];
      EXPECT_EQ(o.environment, world.environment(m));
      for (std::size_t k = 0; k < keys.size(); ++k) {
        EXPECT_NEAR(o.distances[k], value(keys[k], o), 1e-11) << keys[k];
      }
      EXPECT_NEAR(o.w12, value("w12", o), 1e-11);
      EXPECT_NEAR(o.w21, value("w21", o), 1e-11);
      EXPECT_NEAR(o.regret, value("regret_mean_pessimistic", o), 1e-11);
    }
  }
  EXPECT_EQ(row, found.rows.size());
}

TEST(Observations, NearlyTrivialRewardsAreLeftOut) {
  RandomWorlds random(81);
  const at::Tensor tau = random.transitions(4, 2), R = random.normal({4, 2, 4});
  const at::Tensor shaping = random.shaping(tau, 0.9);
  const MemoryWorld world(tau, uniform({4}), 0.9,
                          {{"a", R},
                           {"b", random.normal({4, 2, 4})},
                           {"shaping", shaping},
                           {"nearly", shaping + 1e-8 * R}});
  Val val({{"2-2"}});
  const Observations found = observe(world, {{&val}, false, true, {}, 1e-5});
  ASSERT_EQ(found.rows.size(), 1u);
  EXPECT_EQ(found.rows[0].first, 0);
  EXPECT_EQ(found.rows[0].second, 1);
  EXPECT_EQ(found.left_out, 5);
  EXPECT_EQ(observe(world, {{&val}, true, true, {}, 0}).left_out, 1);
}

// Averages over 200 draws of episodes are the exact regrets, but for what comes after the horizon.
TEST(Observations, SampledRegretIsUnbiasedButForItsRatio) {
  RandomMdp::Options options;
  options.states = 4;
  options.actions = 2;
  options.gamma = 0.5;
  options.rewards = 3;
  options.sparse = 0;
  const RandomMdp world(options, FakeContext(5));
  Val val({{"2-2"}});
  const Observations exact = observe(world, {{&val}, false, true, {}, 1e-5});
  ASSERT_EQ(exact.rows.size(), 3u);
  const int times = 200;
  std::vector<double> mean(3), square(3);
  for (std::uint64_t i = 0; i < times; ++i) {
    const Observations drawn = observe(world, {{&val}, false, true, Random(i), 1e-5});
    for (std::size_t k = 0; k < 3; ++k) {
      const double x = drawn.rows[k].regret;
      mean[k] += x / times;
      square[k] += x * x / times;
      EXPECT_EQ(drawn.rows[k].w12, exact.rows[k].w12);
    }
  }
  for (std::size_t k = 0; k < 3; ++k) {
    const double error = std::sqrt((square[k] - mean[k] * mean[k]) / times);
    EXPECT_GT(error, 0);
    EXPECT_NEAR(mean[k], exact.rows[k].regret, 4 * error + 0.02);
  }
}

TEST(RegretCorrelation, AsksForCanonicalForms) {
  RegretCorrelation::Options options;
  options.of = {Child<Comparator>(std::make_shared<Val>(Val::Options{})),
                Child<Comparator>(std::make_shared<Span>(Span::Options{}))};
  try {
    (void)RegretCorrelation(options, FakeContext()).compare(family());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "of[1] has no canonical form to measure between");
  }
}

TEST(RegretCorrelation, ThreadsChangeNothing) {
  RegretCorrelation::Options options;
  options.of = {Child<Comparator>(std::make_shared<Val>(Val::Options{}))};
  const RandomMdp world = family();
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const std::string one =
      to_json(to_value(RegretCorrelation(options, FakeContext()).compare(world).report));
  at::set_num_threads(2);
  const std::string two =
      to_json(to_value(RegretCorrelation(options, FakeContext()).compare(world).report));
  at::set_num_threads(threads);
  EXPECT_EQ(one, two);
}

}  // namespace
}  // namespace saffron::plugins
