#pragma once

#include "plugins/worlds/sampled_mdp/sampled_mdp.h"
#include "tests/plugins/comparators/tabular_testing.h"

#include <saffron/reward_samples.h>
#include <saffron/testing/fake_context.h>
#include <saffron/testing/toys.h>

#include <ATen/Parallel.h>
#include <ATen/ops/stack.h>

#include <memory>
#include <utility>

// What the tests of comparators of samples share: tabular worlds and draws in them.

namespace saffron::testing {

// Moves on a ring that do not depend on where one is: from a uniform start all states are always equally
// likely, so that the sample's distribution is D_S x D_A x tau with uniform D_S and D_A.
inline at::Tensor ring(RandomWorlds& random, std::int64_t S, std::int64_t A) {
  const at::Tensor moves = random.probabilities({A, S});
  std::vector<at::Tensor> rows;
  for (std::int64_t s = 0; s < S; ++s) rows.push_back(moves.roll(s, 1));
  return at::stack(rows);
}

inline std::shared_ptr<World> drawn(const MemoryWorld& world, std::int64_t episodes,
                                    std::int64_t steps, std::uint64_t seed) {
  at::set_num_threads(1);  // thousands of small operations would wait for each other
  return std::make_shared<plugins::SampledMdp>(
      plugins::SampledMdp::Options{Ref<World>("table", std::make_shared<MemoryWorld>(world)),
                                   episodes, steps},
      FakeContext(seed));
}

inline rewards::SampleOptions quick(std::vector<std::string> distances) {
  rewards::SampleOptions out;
  out.distances = std::move(distances);
  out.resamples = 200;
  return out;
}

// The half width of a 95 % interval is about two standard errors: the distance is within `errors` of
// them of what is true.
inline void expect_near_truth(const Comparison& found, const std::string& key, std::int64_t a,
                              std::int64_t b, double truth, double errors) {
  const double low = between(metric(found, key + "/low"), a, b);
  const double high = between(metric(found, key + "/high"), a, b);
  const double error = (high - low) / 3.92;
  EXPECT_NEAR(between(metric(found, key), a, b), truth, errors * error) << key;
  EXPECT_LT(error, 0.05) << key << " says little";
}

}  // namespace saffron::testing
