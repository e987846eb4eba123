#include "plugins/comparators/span/span.h"
#include "tests/plugins/comparators/canonicalisations/forms.h"

#include <saffron/reward_planning.h>

#include <cmath>
#include <numbers>

// What distances between canonical rewards see and do not see in every MDP, and how far apart they
// put rewards. What does not hold has a counterexample in every world.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

constexpr int kWorlds = 12;

class FormsProperties : public ::testing::TestWithParam<std::size_t> {
 protected:
  // Rewards: 0 random, 1 scaled, 2 shaped, 3 redistributed over successors, 4 negated, 5 random.
  MemoryWorld next() {
    const std::int64_t S = random_.size(), A = random_.size();
    const double gamma = random_.discount();
    const at::Tensor tau = random_.transitions(S, A), R = random_.normal({S, A, S});
    MemoryWorld world(tau, random_.probabilities({S}), gamma,
                      {{"R", R},
                       {"scaled", 0.2 * R},
                       {"shaped", R + random_.shaping(tau, gamma)},
                       {"redistributed", R + random_.redistribution(tau)},
                       {"negated", -R},
                       {"other", random_.normal({S, A, S})}});
    world.policy_ = random_.probabilities({S, A});
    world.D_S = random_.probabilities({S});
    world.D_A = random_.probabilities({A});
    return world;
  }

  [[nodiscard]] static bool normalised(const PairMatrix& matrix) {
    return matrix.key.find("/0-") == std::string::npos;
  }
  [[nodiscard]] static const Form& form() { return forms()[GetParam()]; }

  // The distance 2-2 alone.
  [[nodiscard]] static PairMatrix plain(const MemoryWorld& world) {
    return rewards::Distances(world, form().canonical(world), world.info_.rewards,
                              {rewards::parse_measure("2-2")})
        .matrices()[0];
  }

  RandomWorlds random_{21};
};

TEST_P(FormsProperties, Pseudometric) {
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison found = form().compare(next());
    EXPECT_EQ(found.metrics.size(), form().correlates ? 46u : 44u);
    expect_pseudometrics(found);
  }
}

TEST_P(FormsProperties, ScalingShapingAndRedistribution) {
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison found = form().compare(next());
    for (const PairMatrix& matrix : found.metrics) {
      const auto blind = [&](std::int64_t changed, bool expected) {
        const double d = between(matrix, 0, changed);
        if (expected) {
          EXPECT_LT(d, 1e-8) << matrix.key << " " << changed;
        } else {
          EXPECT_GT(d, 1e-4) << matrix.key << " " << changed;
        }
      };
      blind(1, normalised(matrix));
      blind(2, form().removes_shaping);
      blind(3, form().removes_redistribution);
      blind(5, false);
    }
    for (const Certificate& c : found.certificates) {
      const auto claims = [&](const char* what) {
        return std::find(c.invariant_to.begin(), c.invariant_to.end(), what) !=
               c.invariant_to.end();
      };
      EXPECT_EQ(claims("positive scaling"), normalised(metric(found, c.metric))) << c.metric;
      EXPECT_EQ(claims("potential shaping"), form().removes_shaping) << c.metric;
      EXPECT_EQ(claims("S'-redistribution"), form().removes_redistribution) << c.metric;
      EXPECT_EQ(c.sound, form().removes_redistribution && normalised(metric(found, c.metric)));
    }
  }
}

TEST_P(FormsProperties, NegationIsFarthest) {
  const std::string name = form().name + "/";
  for (int i = 0; i < kWorlds; ++i) {
    const Comparison found = form().compare(next());
    for (const char* norm : {"1", "2", "inf", "weighted_1", "weighted_2", "weighted_inf"}) {
      const std::string key = cat(name, norm, "-", norm);
      EXPECT_NEAR(between(metric(found, key), 0, 4), 2, 1e-12) << key;
    }
    EXPECT_NEAR(between(metric(found, name + "angle"), 0, 4), std::numbers::pi, 1e-12);
    EXPECT_NEAR(between(metric(found, name + "weighted_angle"), 0, 4), std::numbers::pi, 1e-12);
    if (form().correlates) {
      EXPECT_NEAR(between(metric(found, name + "pearson-uniform"), 0, 4), 1, 1e-12);
      EXPECT_NEAR(between(metric(found, name + "pearson-reachable"), 0, 4), 1, 1e-12);
    }
    for (const Certificate& c : found.certificates) {
      EXPECT_GE(c.low, 0);
      EXPECT_LE(largest(metric(found, c.metric).values), c.high * (1 + 1e-12)) << c.metric;
    }
  }
}

// d = 2 sin(angle / 2) of unit vectors; and where canonical rewards have mean 0 over the coverage,
// sqrt((1 - rho) / 2) = d / 2.
TEST_P(FormsProperties, ChordsAndAngles) {
  const std::string name = form().name + "/";
  for (int i = 0; i < kWorlds; ++i) {
    MemoryWorld world = next();
    world.D_S = uniform({world.transitions_.states});
    world.D_A = uniform({world.transitions_.actions});
    const Comparison found = form().compare(world);
    const auto d = [&](const char* key) { return metric(found, name + key).values; };
    EXPECT_LT(largest(d("2-2") - 2 * (d("angle") / 2).sin()), 1e-12);
    EXPECT_LT(largest(d("weighted_2-weighted_2") - 2 * (d("weighted_angle") / 2).sin()), 1e-12);
    if (form().name != "EPIC" && form().name != "MinimalPotential_L2") continue;
    EXPECT_LT(largest(d("pearson-uniform") - d("2-2") / 2), 1e-12);
  }
}

// Rewards that differ only in a state that no policy reaches: no return sees it, every form does.
TEST_P(FormsProperties, UnreachableStatesCount) {
  for (int i = 0; i < kWorlds; ++i) {
    MemoryWorld world = next();
    const std::int64_t last = world.transitions_.states - 1;
    at::Tensor tau = world.transitions_.dense.clone();
    tau.slice(0, 0, last).select(2, last).zero_();
    world.transitions_.dense = tau / tau.sum(-1, true);
    world.mu0_[last] = 0;
    world.mu0_ /= world.mu0_.sum();
    world.rewards_[1] = world.rewards_[0];
    world.rewards_[1][last] = 3 * random_.normal(world.rewards_[1][last].sizes());
    const Comparison found = form().compare(world);
    for (const PairMatrix& matrix : found.metrics) {
      EXPECT_GT(between(matrix, 0, 1), 1e-6) << matrix.key;
      EXPECT_FALSE(certificate(found, matrix.key).complete) << matrix.key;
      EXPECT_FALSE(certificate(found, matrix.key).sound) << matrix.key;
    }
    if (!form().removes_redistribution) continue;
    EXPECT_NE(certificate(found, form().name + "/2-2")
                  .caveat.find(cat("depends on these states: ", last, "; rewards there count")),
              std::string::npos);
  }
}

// Opposite where policies go and alike where they do not: no factor of a form's distance bounds regret.
TEST_P(FormsProperties, UnreachableStatesHideRegret) {
  const at::Tensor tau = tensor(from_json("[[[1, 0], [1, 0]], [[1, 0], [0, 1]]]", ""));
  const at::Tensor here = tensor(from_json("[[[1, 0], [0, 0]], [[0, 0], [0, 0]]]", ""));
  const at::Tensor there = tensor(from_json("[[[0, 0], [0, 0]], [[0, 0], [0, 1]]]", ""));
  const MemoryWorld world(tau, tensor(from_json("[1, 0]", "")), .9,
                          {{"a", 1e-6 * here + there}, {"b", there - 1e-6 * here}});
  EXPECT_EQ(between(metric(Span({}).compare(world), "w12"), 0, 1), 1);
  const Comparison found = form().compare(world);
  EXPECT_LT(between(metric(found, form().name + "/2-2"), 0, 1), 1e-5);
  EXPECT_FALSE(certificate(found, form().name + "/2-2").sound);
}

// Opposite orders of all policies, hidden behind large rewards that no policy's return contains: on
// impossible transitions, or cancelling over the successors of possible ones.
TEST_P(FormsProperties, OnlyStarcFormsSeeThroughTheAttacks) {
  const std::string name = form().name + "/";
  const Comparison impossible = form().compare(golden_world(golden_vector("G08")));
  const Comparison cancelling = form().compare(golden_world(golden_vector("G16")));
  if (form().removes_redistribution) {
    EXPECT_NEAR(between(metric(impossible, name + "2-2"), 0, 1), 2, 1e-10);
    EXPECT_NEAR(between(metric(cancelling, name + "2-2"), 0, 1), 2, 1e-10);
    return;
  }
  EXPECT_LT(between(metric(impossible, name + "2-2"), 0, 1), 5e-3);
  EXPECT_LT(between(metric(cancelling, name + "2-2"), 0, 1), 5e-3);
  EXPECT_LT(between(metric(cancelling, name + "weighted_2-weighted_2"), 0, 1), 5e-3);
  for (const Certificate& c : cancelling.certificates) EXPECT_NE(c.caveat, "") << c.metric;
}

// The same in every world: R and -R behind K times a reward of mean 0 over successors. The larger K,
// the nearer they are to a form that keeps it, and worst-case regret is 1 whatever K is.
TEST_P(FormsProperties, NoConstantBoundsRegretOfTheOthers) {
  for (int i = 0; i < kWorlds / 2; ++i) {
    MemoryWorld world = next();
    const at::Tensor R = world.rewards_[0].clone();
    const at::Tensor hidden = random_.redistribution(world.transitions_.dense);
    world.info_.rewards.resize(2);
    std::vector<double> distances;
    for (const double K : {1e2, 1e4, 1e6}) {
      world.rewards_ = at::stack({R + K * hidden, -R + K * hidden});
      const rewards::PolicyReturns returns(world, world.info_.rewards);
      EXPECT_NEAR(returns.worst_case(0, 1).regret, 1, 1e-7);
      distances.push_back(between(plain(world), 0, 1));
    }
    if (form().removes_redistribution) {
      for (const double d : distances) EXPECT_NEAR(d, 2, 1e-6);
    } else {
      EXPECT_LT(distances[2], 1e-3);
      EXPECT_LT(distances[2], 0.02 * distances[1]);
    }
  }
}

// Sound and complete: as a reward approaches another, distance and worst-case regret vanish
// together. For the other forms a distance remains where nothing is lost.
TEST_P(FormsProperties, DistanceAndRegretVanishTogether) {
  double least = INFINITY, most = 0;
  for (int i = 0; i < kWorlds / 2; ++i) {
    MemoryWorld world = next();
    world.policy_ = uniform(world.policy_.sizes());
    const at::Tensor R = world.rewards_[0].clone(), other = world.rewards_[5].clone();
    const at::Tensor same = R + random_.redistribution(world.transitions_.dense);
    world.info_.rewards.resize(4);
    world.rewards_ = at::stack({R, R + 1e-2 * other, R + 1e-5 * other, same});
    const rewards::PolicyReturns returns(world, world.info_.rewards);
    const PairMatrix d = plain(world);
    EXPECT_LT(returns.worst_case(0, 3).regret, 1e-8);
    if (!form().removes_redistribution) {
      EXPECT_GT(between(d, 0, 3), 1e-3);
      continue;
    }
    EXPECT_LT(between(d, 0, 3), 1e-8);
    for (const int near : {1, 2}) {
      const double ratio = returns.worst_case(0, near).regret / between(d, 0, near);
      least = std::min(least, ratio);
      most = std::max(most, ratio);
    }
  }
  if (!form().removes_redistribution) return;
  EXPECT_GT(least, 0.02);
  EXPECT_LT(most, 50);
}

INSTANTIATE_TEST_SUITE_P(All, FormsProperties, ::testing::Range<std::size_t>(0, forms().size()),
                         [](const auto& of) { return forms()[of.param].name; });

}  // namespace
}  // namespace saffron::plugins
