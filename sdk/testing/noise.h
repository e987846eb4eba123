#pragma once

#include <array>
#include <cmath>

// Computational noise, from differences of sixth order (More and Wild 2011, "Estimating
// computational noise"): sum_k kSixth[k] f(k h), times kNoiseScale, is about f's noise.

namespace saffron::testing {

inline constexpr std::array<double, 7> kSixth = {1, -6, 15, -20, 15, -6, 1};
inline const double kNoiseScale = std::sqrt(720.0 * 720.0 / 479001600.0);  // (6!)^2 / 12!

}  // namespace saffron::testing
