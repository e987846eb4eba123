#include "plugins/comparators/preference_regret/preference_regret.h"
#include "tests/caught.h"
#include "tests/plugins/comparators/preference_testing.h"

#include <gmock/gmock.h>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using Options = PreferenceRegret::Options;

Comparison compare(const World& world, std::vector<double> betas = {}) {
  Options options;
  options.betas = std::move(betas);
  options.intervals.resamples = 0;
  return PreferenceRegret(options, FakeContext()).compare(world);
}

TEST(PreferenceRegret, GoldenVector) {
  const Value& expected = golden_vector("G12").at("expected");
  const Comparison found = compare(golden_scores(), {1});
  EXPECT_NEAR(between(metric(found, "best_of_k/pessimistic"), 0, 1),
              expected.at("best_of_k_regret_pessimistic").as_real(), 1e-12);
  EXPECT_NEAR(between(metric(found, "best_of_k/optimistic"), 0, 1), 1.5 / 12, 1e-12);
  // KL(pi_a || pi_b): b counts, a is followed.
  EXPECT_NEAR(between(metric(found, "kl_regret/beta=1"), 1, 0),
              expected.at("mean_KL_gibbs_beta1_a_b").as_real(), 1e-12);
  EXPECT_NEAR(number(found, "top_ties", "m1").value, 1.0 / 3, 1e-12);
}

// beta KL(pi_2 || pi_1) is what pi_2 lacks of the optimum of the regularised objective for reward 1.
TEST(PreferenceRegret, IsTheRegretOfTheRegularisedObjective) {
  const std::vector<std::int64_t> sizes = sizes_of({2, 4, 3}, 3);
  RandomWorlds draw(3);
  MemoryScores world(sizes, draw.normal({2, total(sizes)}));
  world.log_reference_ = draw.normal({total(sizes)}) - 3;
  constexpr double kBeta = 0.4;
  const Comparison found = compare(world, {kBeta});
  double regret = 0;
  std::int64_t from = 0;
  for (const std::int64_t K : sizes) {
    const at::Tensor ref = world.log_reference_.slice(0, from, from + K).log_softmax(0);
    const at::Tensor r = world.scores_.slice(1, from, from + K);
    const auto policy = [&](std::int64_t i) { return (ref + r[i] / kBeta).log_softmax(0); };
    const auto objective = [&](const at::Tensor& log) {
      return (log.exp() * (r[0] - kBeta * (log - ref))).sum().item<double>();
    };
    regret += objective(policy(0)) - objective(policy(1));
    from += K;
  }
  EXPECT_NEAR(between(metric(found, "kl_regret/beta=0.4"), 0, 1), regret / 9, 1e-12);
  EXPECT_EQ(between(metric(found, "kl_regret/beta=0.4"), 1, 1), 0);
}

TEST(PreferenceRegret, BestOfKByHand) {
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const std::vector<std::int64_t> sizes = sizes_of({3, 5}, 4);
    MemoryScores world(sizes,
                       (2 * RandomWorlds(seed).normal({3, total(sizes)})).round());  // with ties
    const Comparison found = compare(world);
    for (const char* tie : {"pessimistic", "optimistic"}) {
      double lost = 0, range = 0;
      std::int64_t from = 0;
      for (const std::int64_t K : sizes) {
        const at::Tensor r = world.scores_.slice(1, from, from + K);
        const at::Tensor best = r[0].index_select(0, (r[2] == r[2].max()).nonzero().view({-1}));
        lost += (r[0].max() - (tie[0] == 'p' ? best.min() : best.max())).item<double>();
        range += (r[0].max() - r[0].min()).item<double>();
        from += K;
      }
      EXPECT_NEAR(between(metric(found, cat("best_of_k/", tie)), 0, 2), lost / range, 1e-12);
    }
  }
}

TEST(PreferenceRegret, ScaleAndOffsets) {
  MemoryScores world({3, 3}, RandomWorlds(1).normal({2, 6}));
  const Comparison before = compare(world, {0.5});
  world.scores_[1] += 7;
  EXPECT_LT(largest(metric(compare(world, {0.5}), "kl_regret/beta=0.5").values -
                    metric(before, "kl_regret/beta=0.5").values),
            1e-12);
  world.scores_[1] *= 3;  // another policy at that beta, the same favourites
  const Comparison after = compare(world, {0.5});
  EXPECT_GT(largest(metric(after, "kl_regret/beta=0.5").values -
                    metric(before, "kl_regret/beta=0.5").values),
            1e-3);
  EXPECT_LT(largest(metric(after, "best_of_k/pessimistic").values -
                    metric(before, "best_of_k/pessimistic").values),
            1e-12);
}

TEST(PreferenceRegret, TrivialModelsAndRefusals) {
  MemoryScores world({2, 2}, RandomWorlds(1).normal({2, 4}));
  world.scores_[1] = 1;
  const Comparison found = compare(world);
  EXPECT_EQ(between(metric(found, "best_of_k/pessimistic"), 1, 0), 0);
  EXPECT_NEAR(between(metric(found, "best_of_k/pessimistic"), 0, 1), 1,
              1e-12);  // any response may come
  EXPECT_EQ(between(metric(found, "best_of_k/optimistic"), 0, 1), 0);
  EXPECT_THAT(found.degenerate, ::testing::ElementsAre(::testing::HasSubstr("'m1' is trivial")));
  Value recipe = Value::table(), betas = Value::list();
  betas.push(-1.0);
  recipe.set("betas", std::move(betas));
  Options options;
  Decoded decoded;
  PreferenceRegret::schema().decode(recipe, &options, decoded);
  EXPECT_FALSE(decoded.ok());
  world.scores_ *= 1e140;
  EXPECT_THAT(test::caught([&] { compare(world, {1e-200}); }).what(),
              ::testing::HasSubstr("larger beta"));
  world.scores_ *= 1e160;
  EXPECT_THAT(test::caught([&] { compare(world, {}); }).what(),
              ::testing::AllOf(::testing::HasSubstr("model 'm0' has scores of "),
                               ::testing::HasSubstr("scale them down")));
}

}  // namespace
}  // namespace saffron::plugins
