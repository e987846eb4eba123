#include "plugins/comparators/val/val.h"
#include "tests/plugins/comparators/tabular_testing.h"

// VAL against vectors computed in exact arithmetic.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

Comparison compare(const World& world) { return Val({.pairs = {"all"}}).compare(world); }

at::Tensor values_of(const TabularWorld& world) {
  const at::Tensor r = rewards::expected_rewards(world.transitions().dense, world.rewards());
  return rewards::PolicyEvaluation(world).values(r);
}

TEST(ValGolden, EveryDistanceAndAngle) {
  int vectors = 0;
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected");
    const Comparison comparison = compare(golden_world(*vector));
    EXPECT_EQ(expect_distances(comparison, "VAL", expected.at("distances").at("VAL"), id), 42);
    EXPECT_NEAR(between(metric(comparison, "VAL/angle"), 0, 1),
                expected.at("angle").at("VAL").as_real(), 1e-10)
        << id;
    EXPECT_NEAR(between(metric(comparison, "VAL/weighted_angle"), 0, 1),
                expected.at("angle_tau_weighted").at("VAL").as_real(), 1e-10)
        << id;
    ++vectors;
  }
  EXPECT_EQ(vectors, 12);
}

TEST(ValGolden, ValuesOfThePolicy) {
  for (const Value* vector : golden_pairs()) {
    const Value& expected = vector->at("expected");
    const MemoryWorld world = golden_world(*vector);
    const at::Tensor V = values_of(world);
    for (const int i : {0, 1}) {
      const at::Tensor exact = tensor(expected.at(i == 0 ? "V1" : "V2"));
      EXPECT_LT(largest(V[i] - exact), 1e-10 * std::max(1.0, largest(exact)))
          << vector->at("id").as_string();
    }
  }
}

TEST(ValGolden, CanonicalTensors) {
  int compared = 0;
  for (const Value* vector : golden_pairs()) {
    const Value& expected = vector->at("expected");
    const MemoryWorld world = golden_world(*vector);
    const at::Tensor c = val_form(world, world.policy_).values;
    for (const int i : {0, 1}) {
      const Value* exact = expected.find(i == 0 ? "canonical_R1" : "canonical_R2");
      if (exact == nullptr) continue;
      const at::Tensor cube = tensor(exact->at("VAL"));
      EXPECT_LT(largest(c[i].expand(cube.sizes()) - cube), 1e-10);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 4);
}

TEST(ValGolden, AnotherPolicy) {
  const Value& vector = golden_vector("G10");
  const Value& expected = vector.at("expected").at("nonuniform");
  MemoryWorld world = golden_world(vector);
  world.policy_ = tensor(expected.at("policy"));
  EXPECT_LT(largest(values_of(world)[0] - tensor(expected.at("V1_policy"))), 1e-10);
  const Comparison comparison = compare(world);
  EXPECT_EQ(expect_distances(comparison, "VAL", expected.at("VAL_policy_distances"), "G10 policy"),
            42);
  EXPECT_NEAR(between(metric(comparison, "VAL/angle"), 0, 1),
              expected.at("VAL_policy_angle").as_real(), 1e-10);
}

// A potential of 1e6 over a signal of 0.4.
TEST(ValGolden, Cancellation) {
  const Value& vector = golden_vector("G14");
  const at::Tensor tau = tensor(vector.at("tau"));
  const MemoryWorld world(tau, uniform({2}), vector.at("gamma").as_real(),
                          {{"R1", tensor(vector.at("R1"))}});
  const at::Tensor exact = tensor(vector.at("expected").at("VAL_sa"));
  EXPECT_LT(largest(val_form(world, world.policy_).values[0].squeeze(-1) - exact), 1e-8);
}

TEST(ValGolden, TrivialRewardsAreNamed) {
  const std::vector<std::string> one = {cat("reward 'R1' ", rewards::kTrivial)};
  EXPECT_EQ(compare(golden_world(golden_vector("G06"))).degenerate, one);
  const Comparison both = compare(golden_world(golden_vector("G07")));
  EXPECT_EQ(both.degenerate.size(), 2u);
  EXPECT_EQ(between(metric(both, "VAL/2-2"), 0, 1), 0);
  EXPECT_TRUE(compare(golden_world(golden_vector("G02"))).degenerate.empty());
}

TEST(ValGolden, CertificateSpeaksOfUnreachableStates) {
  const Comparison all = compare(golden_world(golden_vector("G02")));
  EXPECT_TRUE(certificate(all, "VAL/2-2").sound);
  EXPECT_TRUE(certificate(all, "VAL/2-2").complete);
  EXPECT_EQ(certificate(all, "VAL/2-2").caveat, "");
  EXPECT_FALSE(certificate(all, "VAL/0-2").sound);
  EXPECT_FALSE(certificate(all, "VAL/0-2").complete);

  const Comparison unreached = compare(golden_world(golden_vector("G09")));
  EXPECT_FALSE(certificate(unreached, "VAL/angle").sound);
  EXPECT_FALSE(certificate(unreached, "VAL/angle").complete);
  EXPECT_EQ(certificate(unreached, "VAL/angle").caveat,
            "No policy's return from mu0 depends on these states: 3; rewards there count in the "
            "distance alone, and bring it near 0 or far from 0 whatever policies earn.");
}

// A terminal state that is not reached is in no form either.
TEST(ValGolden, CertificateLeavesTerminalStatesOut) {
  MemoryWorld world = golden_world(golden_vector("G09"));
  world.transitions_.dense = world.transitions_.dense.clone();
  world.transitions_.dense[3].zero_();
  world.terminal_ = world.terminal_.clone();
  world.terminal_[3] = true;
  EXPECT_TRUE(certificate(compare(world), "VAL/2-2").sound);
  EXPECT_TRUE(certificate(compare(world), "VAL/2-2").complete);
}

// Where gamma is 0, no policy's return depends on a state that only a later step reaches.
TEST(ValCertificates, MyopicWorldsAreIncomplete) {
  const at::Tensor tau = at::full({2, 2, 2}, 0.5, at::kDouble);
  at::Tensor a = at::zeros({2, 2, 2}, at::kDouble);
  a[1][0].fill_(1);
  for (const double gamma : {0.0, 0.5}) {
    const MemoryWorld world(tau, at::tensor({1.0, 0.0}, at::kDouble), gamma, {{"a", a}, {"b", -a}});
    EXPECT_EQ(certificate(compare(world), "VAL/angle").complete, gamma > 0) << gamma;
  }
}

}  // namespace
}  // namespace saffron::plugins
