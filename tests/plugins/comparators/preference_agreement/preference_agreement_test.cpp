#include "plugins/comparators/preference_agreement/preference_agreement.h"
#include "tests/plugins/comparators/preference_testing.h"

#include <gmock/gmock.h>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;
using Options = PreferenceAgreement::Options;

Comparison compare(const World& world, bool pooled = false, std::int64_t resamples = 0) {
  Options options;
  options.pooled = pooled;
  options.intervals.resamples = resamples;
  return PreferenceAgreement(options, FakeContext()).compare(world);
}

TEST(PreferenceAgreement, GoldenVector) {
  const Value& expected = golden_vector("G12").at("expected");
  const Comparison found = compare(golden_scores(), true);
  for (const auto& [key, name] : std::vector<std::pair<const char*, const char*>>{
           {"kendall_tau_b", "kendall_tau_b_within_prompt_mean"},
           {"pearson", "pearson_centred"},
           {"agreement", "pairwise_agreement_within_prompt_half_ties"},
           {"pearson_pooled", "pearson_raw"},
           {"spearman_pooled", "spearman_raw"},
           {"kendall_tau_b_pooled", "kendall_tau_b_raw"}}) {
    EXPECT_NEAR(between(metric(found, key), 0, 1), expected.at(name).as_real(), 1e-12) << key;
    EXPECT_NEAR(between(metric(found, key), 1, 0), expected.at(name).as_real(), 1e-12) << key;
    EXPECT_NEAR(between(metric(found, key), 0, 0), 1, 1e-15) << key;
  }
  EXPECT_NEAR(between(metric(found, "preference_kl"), 0, 1),
              expected.at("mean_KL_bernoulli_pref_a_b").as_real(), 1e-12);
}

double sign(double x) { return static_cast<double>((x > 0) - (x < 0)); }

// By the definitions, pair by pair.
TEST(PreferenceAgreement, AgainstBruteForce) {
  const std::vector<std::int64_t> sizes = sizes_of({2, 5, 3}, 6);
  const MemoryScores world(sizes, (1.5 * RandomWorlds(9).normal({3, total(sizes)})).round());
  const Comparison found = compare(world, true);
  double tau = 0, rho = 0, defined = 0, alike = 0, kl = 0;
  std::int64_t from = 0;
  for (const std::int64_t K : sizes) {
    const auto at = [&](std::int64_t i, std::int64_t k) {
      return world.scores_[i][from + k].item<double>();
    };
    double concord = 0, t0 = 0, t2 = 0, agree = 0, divergence = 0, pairs = 0;
    std::vector<double> rank0, rank2;
    for (std::int64_t k = 0; k < K; ++k) {
      double r0 = 0, r2 = 0;
      for (std::int64_t l = 0; l < K; ++l) {
        r0 += sign(at(0, k) - at(0, l));
        r2 += sign(at(2, k) - at(2, l));
        if (l <= k) continue;
        const double a = at(0, k) - at(0, l), b = at(2, k) - at(2, l);
        const double p = 1 / (1 + std::exp(-a)), q = 1 / (1 + std::exp(-b));
        concord += sign(a) * sign(b);
        t0 += std::abs(sign(a));
        t2 += std::abs(sign(b));
        agree += sign(a) == sign(b) ? 1 : sign(a) * sign(b) < 0 ? 0 : 0.5;
        divergence += p * std::log(p / q) + (1 - p) * std::log((1 - p) / (1 - q));
        ++pairs;
      }
      rank0.push_back(r0);
      rank2.push_back(r2);
    }
    alike += agree / pairs;
    kl += divergence / pairs;
    if (t0 > 0 && t2 > 0) {
      ++defined;
      tau += concord / std::sqrt(t0 * t2);
      const at::Tensor x = at::tensor(rank0, at::kDouble), y = at::tensor(rank2, at::kDouble);
      rho += (x.dot(y) / (x.dot(x) * y.dot(y)).sqrt()).item<double>();
    }
    from += K;
  }
  const auto P = static_cast<double>(sizes.size());
  ASSERT_LT(defined, P);
  EXPECT_NEAR(between(metric(found, "kendall_tau_b"), 0, 2), tau / defined, 1e-12);
  EXPECT_NEAR(between(metric(found, "spearman"), 0, 2), rho / defined, 1e-12);
  EXPECT_NEAR(between(metric(found, "agreement"), 0, 2), alike / P, 1e-12);
  EXPECT_NEAR(between(metric(found, "preference_kl"), 0, 2), kl / P, 1e-12);
}

TEST(PreferenceAgreement, PooledTauAgainstBruteForce) {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const std::vector<std::int64_t> sizes = sizes_of({4}, 12);
    const MemoryScores world(sizes, (2 * RandomWorlds(seed).normal({2, 48})).round());
    double concord = 0, t0 = 0, t1 = 0;
    for (std::int64_t k = 0; k < 48; ++k) {
      for (std::int64_t l = 0; l < k; ++l) {
        const double a = sign((world.scores_[0][k] - world.scores_[0][l]).item<double>());
        const double b = sign((world.scores_[1][k] - world.scores_[1][l]).item<double>());
        concord += a * b;
        t0 += std::abs(a);
        t1 += std::abs(b);
      }
    }
    EXPECT_NEAR(between(metric(compare(world, true), "kendall_tau_b_pooled"), 0, 1),
                concord / std::sqrt(t0 * t1), 1e-12);
  }
}

TEST(PreferenceAgreement, WithinPromptsOffsetsMeanNothing) {
  MemoryScores world(sizes_of({3}, 20), RandomWorlds(4).normal({2, 60}));
  world.scores_[1] = world.scores_[0] - 50 * world.prompts_;
  const Comparison found = compare(world, true);
  for (const char* key : {"kendall_tau_b", "spearman", "pearson", "agreement"}) {
    EXPECT_NEAR(between(metric(found, key), 0, 1), 1, 1e-9) << key;
  }
  EXPECT_LT(std::abs(between(metric(found, "pearson_pooled"), 0, 1)), 0.5);
  EXPECT_NEAR(between(metric(found, "preference_kl"), 0, 1), 0, 1e-9);
}

TEST(PreferenceAgreement, UndefinedHasReasons) {
  MemoryScores world({2, 2}, RandomWorlds(1).normal({4, 4}));
  world.scores_[1] = 5;
  world.scores_[2].slice(0, 0, 2).zero_();
  world.scores_[3].slice(0, 2, 4).zero_();
  const Comparison found = compare(world, true, 10);
  EXPECT_TRUE(std::isnan(between(metric(found, "spearman"), 0, 1)));
  EXPECT_EQ(metric(found, "spearman").reasons[1],
            "model 'm1' scores all responses to a prompt alike, in every prompt");
  EXPECT_EQ(metric(found, "kendall_tau_b").reasons[2 * 4 + 3],
            "in every prompt one of the two scores all responses alike");
  EXPECT_TRUE(std::isnan(between(metric(found, "pearson"), 1, 1)));
  EXPECT_FALSE(metric(found, "pearson/low").reasons[1].empty());
  EXPECT_TRUE(std::isnan(between(metric(found, "pearson_pooled"), 0, 1)));
  EXPECT_NEAR(number(found, "undecided_prompts", "m2").value, 0.5, 1e-12);
  EXPECT_THAT(found.degenerate, ::testing::ElementsAre(::testing::HasSubstr("'m1' is trivial")));
}

}  // namespace
}  // namespace saffron::plugins
