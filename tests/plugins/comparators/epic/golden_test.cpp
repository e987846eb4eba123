#include "plugins/comparators/epic/epic.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <cmath>

// EPIC against vectors computed in exact arithmetic.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

Comparison compare(const World& world) {
  return Epic({.pairs = {"all", "pearson-uniform", "pearson-reachable"}}).compare(world);
}

TEST(EpicGolden, EveryDistanceAndAngle) {
  int vectors = 0;
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected");
    const Comparison comparison = compare(golden_world(*vector));
    EXPECT_EQ(expect_distances(comparison, "EPIC", expected.at("distances").at("EPIC"), id), 42);
    EXPECT_NEAR(between(metric(comparison, "EPIC/angle"), 0, 1),
                expected.at("angle").at("EPIC").as_real(), 1e-10)
        << id;
    EXPECT_NEAR(between(metric(comparison, "EPIC/weighted_angle"), 0, 1),
                expected.at("angle_tau_weighted").at("EPIC").as_real(), 1e-10)
        << id;
    ++vectors;
  }
  EXPECT_EQ(vectors, 12);
}

TEST(EpicGolden, Correlations) {
  int undefined = 0;
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected");
    const Comparison comparison = compare(golden_world(*vector));
    for (const std::string coverage : {"uniform", "reachable"}) {
      const PairMatrix& matrix = metric(comparison, "EPIC/pearson-" + coverage);
      const Value& value = expected.at("D_EPIC_" + coverage + "_coverage");
      if (!value.is_null()) {
        EXPECT_NEAR(between(matrix, 0, 1), value.as_real(), 1e-10) << id << " " << coverage;
        EXPECT_TRUE(matrix.reasons.empty());
        continue;
      }
      EXPECT_TRUE(std::isnan(between(matrix, 0, 1))) << id;
      EXPECT_EQ(matrix.reasons.at(1),
                "the EPIC form of reward 'R1' is constant on the covered transitions: it "
                "correlates with nothing");
      ++undefined;
    }
  }
  EXPECT_EQ(undefined, 4);
}

// Only what involves the constant reward is undefined.
TEST(EpicGolden, OnePairOfThreeIsDefined) {
  const PairMatrix matrix =
      metric(compare(golden_world(golden_vector("G06"))), "EPIC/pearson-uniform");
  EXPECT_TRUE(std::isnan(between(matrix, 0, 0)));
  EXPECT_EQ(between(matrix, 1, 1), 0);
  EXPECT_NE(matrix.reasons.at(0), "");
  EXPECT_NE(matrix.reasons.at(2).find("'R1'"), std::string::npos);
  EXPECT_EQ(matrix.reasons.at(3), "");
}

TEST(EpicGolden, CanonicalTensors) {
  int compared = 0;
  for (const Value* vector : golden_pairs()) {
    const Value& expected = vector->at("expected");
    const MemoryWorld world = golden_world(*vector);
    const at::Tensor c = epic_form(world).values;
    for (const int i : {0, 1}) {
      const Value* exact = expected.find(i == 0 ? "canonical_R1" : "canonical_R2");
      if (exact == nullptr) continue;
      EXPECT_LT(largest(c[i] - tensor(exact->at("EPIC"))), 1e-10);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 4);
}

TEST(EpicGolden, OtherDistributions) {
  const Value& vector = golden_vector("G10");
  const Value& expected = vector.at("expected").at("nonuniform");
  MemoryWorld world = golden_world(vector);
  world.D_S = tensor(expected.at("D_S"));
  world.D_A = tensor(expected.at("D_A"));
  const at::Tensor c = epic_form(world).values[0];
  EXPECT_NEAR(c[0][0][0].item<double>(), expected.at("EPIC_canonical_R1_000").as_real(), 1e-10);
  EXPECT_NEAR(c[2][1][2].item<double>(), expected.at("EPIC_canonical_R1_212").as_real(), 1e-10);
  const Comparison comparison = compare(world);
  EXPECT_NEAR(between(metric(comparison, "EPIC/pearson-uniform"), 0, 1),
              expected.at("D_EPIC_coverage_DS_DA_DS").as_real(), 1e-10);
  EXPECT_NEAR(between(metric(comparison, "EPIC/pearson-reachable"), 0, 1),
              expected.at("D_EPIC_coverage_DS_DA_tau").as_real(), 1e-10);
}

}  // namespace
}  // namespace saffron::plugins
