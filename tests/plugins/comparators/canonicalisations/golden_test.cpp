#include "tests/plugins/comparators/canonicalisations/forms.h"

#include <cmath>

// Every canonicalisation against vectors computed in exact arithmetic.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

TEST(FormsGolden, EveryDistanceAndAngle) {
  int distances = 0, angles = 0;
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected");
    const MemoryWorld world = golden_world(*vector);
    for (const Form& form : forms()) {
      const Comparison found = form.compare(world);
      distances += expect_distances(found, form.name, expected.at("distances").at(form.name), id);
      for (const auto& [key, table] :
           {std::pair{"angle", "angle"}, {"weighted_angle", "angle_tau_weighted"}}) {
        EXPECT_NEAR(between(metric(found, form.name + "/" + key), 0, 1),
                    expected.at(table).at(form.name).as_real(), 1e-10)
            << id << " " << form.name << " " << key;
        ++angles;
      }
    }
  }
  EXPECT_EQ(distances, 12 * 9 * 42);
  EXPECT_EQ(angles, 12 * 9 * 2);
}

// NaN with a reason where the golden vector has none.
void expect_correlation(const PairMatrix& matrix, const Value& value, const std::string& id) {
  if (!value.is_null()) {
    EXPECT_NEAR(between(matrix, 0, 1), value.as_real(), 1e-10) << id << " " << matrix.key;
    return;
  }
  EXPECT_TRUE(std::isnan(between(matrix, 0, 1))) << id << " " << matrix.key;
  EXPECT_NE(matrix.reasons.at(1).find("is constant on the covered transitions"), std::string::npos)
      << id << " " << matrix.key;
}

TEST(FormsGolden, Correlations) {
  for (const Value* vector : golden_pairs()) {
    const std::string& id = vector->at("id").as_string();
    const Value& expected = vector->at("expected");
    const MemoryWorld world = golden_world(*vector);
    for (const std::string name : {"EPIC", "DARD"}) {
      const Comparison found = form(name).compare(world);
      for (const std::string coverage : {"uniform", "reachable"}) {
        expect_correlation(metric(found, name + "/pearson-" + coverage),
                           expected.at("D_" + name + "_" + coverage + "_coverage"), id);
      }
    }
    expect_correlation(metric(form("None").compare(world), "None/pearson-uniform"),
                       expected.at("raw_pearson_distance_uniform"), id);
  }
}

TEST(FormsGolden, CanonicalTensors) {
  int compared = 0;
  for (const Value* vector : golden_pairs()) {
    const Value& expected = vector->at("expected");
    const MemoryWorld world = golden_world(*vector);
    for (const Form& form : forms()) {
      const at::Tensor c = cube(form, world);
      for (const int i : {0, 1}) {
        const Value* exact = expected.find(i == 0 ? "canonical_R1" : "canonical_R2");
        if (exact == nullptr) continue;
        EXPECT_LT(largest(c[i] - tensor(exact->at(form.name))), 1e-10) << form.name;
        ++compared;
      }
    }
  }
  EXPECT_EQ(compared, 2 * 9 * 2);
}

TEST(FormsGolden, Lengths) {
  for (const Value* vector : golden_pairs()) {
    const MemoryWorld world = golden_world(*vector);
    for (const Form& form : forms()) {
      const at::Tensor exact =
          tensor(vector->at("expected").at("norm2_of_canonical").at(form.name));
      const at::Tensor length = cube(form, world).flatten(1).norm(2, 1);
      EXPECT_LT(largest(length - exact), 1e-10 * std::max(1.0, largest(exact)))
          << vector->at("id").as_string() << " " << form.name;
    }
  }
}

// Half of it is the distance by which misspecification of rewards has been measured.
TEST(FormsGolden, HalfOfTheMinimalDistance) {
  for (const Value* vector : golden_pairs()) {
    const Comparison found = form("Minimal_L2").compare(golden_world(*vector));
    EXPECT_NEAR(between(metric(found, "Minimal_L2/2-2"), 0, 1) / 2,
                vector->at("expected").at("d_STARC_half").as_real(), 1e-10)
        << vector->at("id").as_string();
  }
}

// A potential of 1e6 over a signal of 0.4: what is left of the rewards is what was given.
TEST(FormsGolden, Cancellation) {
  const Value& vector = golden_vector("G14");
  const at::Tensor tau = tensor(vector.at("tau")), R = tensor(vector.at("R1"));
  const at::Tensor plain = tensor(vector.at("expected").at("VAL_sa")).unsqueeze(-1);
  const MemoryWorld world(tau, uniform({2}), vector.at("gamma").as_real(),
                          {{"shaped", R}, {"advantage", plain.expand(R.sizes()).contiguous()}});
  for (const Form& form : forms()) {
    if (!form.removes_redistribution) continue;
    const at::Tensor c = cube(form, world);
    EXPECT_LT(largest(c[0] - c[1]), 1e-8) << form.name;
    EXPECT_GT(largest(c[1]), 0.2) << form.name;
  }
}

TEST(FormsGolden, TrivialRewardsAreNamed) {
  for (const Form& form : forms()) {
    const Comparison one = form.compare(golden_world(golden_vector("G06")));
    const Comparison both = form.compare(golden_world(golden_vector("G07")));
    if (form.name == "None") {
      EXPECT_TRUE(one.degenerate.empty());
      EXPECT_TRUE(both.degenerate.empty());  // neither is 0 before shaping is removed
      continue;
    }
    ASSERT_EQ(one.degenerate.size(), 1u) << form.name;
    EXPECT_TRUE(one.degenerate[0].starts_with("reward 'R1' is ")) << form.name;
    EXPECT_EQ(both.degenerate.size(), 2u) << form.name;
  }
}

}  // namespace
}  // namespace saffron::plugins
