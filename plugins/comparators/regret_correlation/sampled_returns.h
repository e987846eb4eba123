#pragma once

#include <saffron/random.h>
#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace saffron::plugins {

// J of deterministic policies from drawn episodes, as the published experiment measures it: A episodes from
// each state, weighted by mu0 there, until gamma^t < 1e-5.
class SampledReturns {
 public:
  explicit SampledReturns(const TabularWorld& world);

  // Of reward i, an action for each of the world's states. Episodes are drawn anew for every `random`.
  [[nodiscard]] double returns(std::int64_t reward, const std::vector<std::int64_t>& actions,
                               const Random& random) const;

 private:
  [[nodiscard]] std::int64_t successor(std::int64_t row, double u) const;

  std::int64_t states_, actions_, steps_;
  double gamma_;
  at::Tensor cumulative_, rewards_, mu0_;  // [S A, S], [R, S A, S], [S]
};

}  // namespace saffron::plugins
