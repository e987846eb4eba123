#include "plugins/comparators/srrd/srrd.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <cmath>
#include <set>

// Means over the possible transitions.

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

TEST(SrrdGolden, DistanceAndForm) {
  const Value& vector = golden_vector("G10");
  const Value& expected = vector.at("expected").at("SRRD_all_feasible_samples");
  const MemoryWorld world = golden_world(vector);
  const at::Tensor possible = world.transitions_.dense > 0;
  EXPECT_EQ(possible.sum().item<std::int64_t>(), expected.at("n_samples").as_int());
  const at::Tensor c = srrd_form(world).values[0].masked_select(possible);
  const at::Tensor first = tensor(expected.at("canonical_R1_first3"));
  EXPECT_LT(largest(c.slice(0, 0, 3) - first), 1e-10);
  const Comparison found = Srrd({}).compare(world);
  EXPECT_NEAR(between(metric(found, "SRRD"), 0, 1), expected.at("D_SRRD").as_real(), 1e-10);
}

// The definition transition by transition, over sets of states.
class BySets {
 public:
  using States = std::set<std::int64_t>;

  BySets(const MemoryWorld& world, const at::Tensor& R) : g_(world.gamma_) {
    const at::Tensor& tau = world.transitions_.dense;
    for (std::int64_t s = 0; s < tau.size(0); ++s) {
      for (std::int64_t a = 0; a < tau.size(1); ++a) {
        for (std::int64_t next = 0; next < tau.size(0); ++next) {
          if (tau[s][a][next].item<double>() <= 0) continue;
          all_.push_back({s, a, next, R[s][a][next].item<double>()});
          starts_.insert(s);
          ends_.insert(next);
        }
      }
    }
  }

  [[nodiscard]] at::Tensor form(at::IntArrayRef shape) const {
    at::Tensor out = at::zeros(shape, at::kDouble);
    for (const auto& [s, a, next, r] : all_) {
      const States S1 = after({next}), S2 = after({s}), S5 = after(S1), S6 = after(S2);
      out[s][a][next] = r + g_ * mean({next}, S1) - mean({s}, S2) - g_ * mean(starts_, ends_) +
                        g_ * g_ * mean(S1, S5) - g_ * mean(S2, S6) + g_ * mean(starts_, S6) -
                        g_ * g_ * mean(ends_, S5);
    }
    return out;
  }

 private:
  struct One {
    std::int64_t s, a, next;
    double r;
  };
  [[nodiscard]] States after(const States& from) const {
    States out;
    for (const One& one : all_) {
      if (from.contains(one.s)) out.insert(one.next);
    }
    return out;
  }
  [[nodiscard]] double mean(const States& from, const States& to) const {
    double sum = 0, count = 0;
    for (const One& one : all_) {
      if (!from.contains(one.s) || !to.contains(one.next)) continue;
      sum += one.r;
      ++count;
    }
    return count > 0 ? sum / count : 0;
  }

  double g_;
  std::vector<One> all_;
  States starts_, ends_;
};

TEST(Srrd, IsTheDefinition) {
  RandomWorlds random(67);
  for (int i = 0; i < 6; ++i) {
    const std::int64_t S = random.size(), A = 2;
    MemoryWorld world(random.transitions(S, A), uniform({S}), random.discount(),
                      {{"a", random.normal({S, A, S})}, {"b", random.normal({S, A, S})}});
    if (i % 2 == 0) world.transitions_.dense[S - 1].zero_();  // a terminal state
    const at::Tensor c = srrd_form(world).values;
    for (const int r : {0, 1}) {
      EXPECT_LT(largest(c[r] - BySets(world, world.rewards_[r]).form({S, A, S})), 1e-11);
    }
  }
}

TEST(Srrd, BlindToScaleAndImpossibleTransitionsAlone) {
  RandomWorlds random(68);
  for (int i = 0; i < 10; ++i) {
    const std::int64_t S = random.size() + 1, A = random.size();
    const at::Tensor tau = random.transitions(S, A), R = random.normal({S, A, S});
    const MemoryWorld world(tau, uniform({S}), 0.9,
                            {{"R", R},
                             {"scaled", 3 * R},
                             {"impossible", R + 1e9 * (tau == 0)},
                             {"shaped", R + random.shaping(tau, 0.9)},
                             {"redistributed", R + random.redistribution(tau)},
                             {"-R", -R}});
    const Comparison found = Srrd({}).compare(world);
    const PairMatrix& d = metric(found, "SRRD");
    EXPECT_LT(between(d, 0, 1), 1e-12);
    EXPECT_LT(between(d, 0, 2), 1e-12);
    EXPECT_GT(between(d, 0, 3), 1e-4);  // reduced, not removed
    EXPECT_GT(between(d, 0, 4), 1e-3);
    EXPECT_NEAR(between(d, 0, 5), 1, 1e-12);
    const std::vector<std::string> scaling = {"positive scaling"};
    EXPECT_EQ(certificate(found, "SRRD").invariant_to, scaling);
  }
}

TEST(Srrd, ConstantsAreUndefined) {
  MemoryWorld world = golden_world(golden_vector("G02"));
  world.rewards_[0].zero_();
  const PairMatrix matrix = metric(Srrd({}).compare(world), "SRRD");
  EXPECT_TRUE(std::isnan(between(matrix, 0, 1)));
  EXPECT_EQ(matrix.reasons.at(1),
            "the SRRD form of reward 'R1' is constant on the covered transitions: it correlates "
            "with nothing");
  EXPECT_EQ(between(matrix, 1, 1), 0);
}

}  // namespace
}  // namespace saffron::plugins
