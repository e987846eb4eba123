#include "plugins/comparators/srrd/srrd.h"
#include "tests/plugins/comparators/sampled/sampled_testing.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/tensor.h>

namespace saffron::plugins {
namespace {

using namespace saffron::testing;

// A sample that has every possible transition is the table, however often each was drawn.
TEST(SrrdSample, AllPossibleTransitionsAreTheTable) {
  for (const std::uint64_t seed : {41, 42, 43}) {
    RandomWorlds random(seed);
    at::Tensor tau = random.transitions(4, 2);
    tau[1].zero_();
    const MemoryWorld world(tau, uniform({4}), random.discount(),
                            {{"a", random.normal({4, 2, 4})}, {"b", random.normal({4, 2, 4})}});
    const auto sample = drawn(world, 2000, 10, seed);
    const double exact = between(metric(Srrd({}).compare(world), "SRRD"), 0, 1);
    const Comparison found = Srrd({}).compare(*sample);
    EXPECT_NEAR(between(metric(found, "SRRD"), 0, 1), exact, 1e-12);
    EXPECT_NE(certificate(found, "SRRD").covers,
              certificate(Srrd({}).compare(world), "SRRD").covers);
  }
}

// States that never come again: every set has one transition, and the sums can be written out.
TEST(SrrdSample, AChain) {
  const auto list = [](const at::Tensor& R) {
    return TransitionList{at::arange(3, at::kLong), at::arange(3, at::kLong) + 1, 4,
                          R.unsqueeze(0)};
  };
  const double r[] = {1, -2, 5}, g = 0.5, all = 4.0 / 3;
  const at::Tensor c = srrd_form(list(at::tensor({1.0, -2.0, 5.0}, at::kDouble)), g).values[0];
  // Of 0 -> 1: S1 = {2}, S2 = {1}, S5 = {3}, S6 = {2}; S3 = {0, 1, 2}, S4 = {1, 2, 3}.
  EXPECT_NEAR(c[0].item<double>(),
              r[0] + g * r[1] - r[0] - g * all + g * g * r[2] - g * r[1] + g * r[1] - g * g * r[2],
              1e-14);
  // Of 2 -> 3: S1, S2 = {3}, S5 and S6 are empty.
  EXPECT_NEAR(c[2].item<double>(), r[2] - r[2] - g * all, 1e-14);
}

}  // namespace
}  // namespace saffron::plugins
