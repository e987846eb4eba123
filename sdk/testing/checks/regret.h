#pragma once

#include <saffron/world.h>

#include <ATen/core/Tensor.h>

#include <vector>

// What one loses by optimising one reward for another, exactly, in small tabular worlds.

namespace saffron::testing {

// J_i(pi) of each reward and each deterministic policy: R vectors of A^S numbers. The transitions
// are dense.
[[nodiscard]] std::vector<std::vector<double>> policy_returns(const TabularWorld& world);

// max J - min J over policies.
[[nodiscard]] double spread(const std::vector<double>& returns);

// The worst-case regret of optimising R2 in place of R1, relative to what R1 has to lose:
//
//   w12 = max { J1(pi) - J1(pi') : J2(pi') >= J2(pi) } / (max J1 - min J1)
//
// over all policies (Skalse et al. 2024, "STARC: A General Framework For Quantifying Differences
// Between Reward Functions"). Returns are linear in occupancy measures, whose polytope has the
// deterministic policies as vertices, and so, by duality,
//
//   w12 = min over mu >= 0 of spread(J1 - mu J2) / spread(J1)
//
// J1 must have a spread.
[[nodiscard]] double worst_regret(const std::vector<double>& J1, const std::vector<double>& J2);

}  // namespace saffron::testing
