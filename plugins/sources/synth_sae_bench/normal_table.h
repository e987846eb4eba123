#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>

namespace saffron::plugins::synth {

// Phi, the distribution function of N(0, 1).
[[nodiscard]] inline double normal_cdf(double y) {
  return 0.5 * std::erfc(-y / std::numbers::sqrt2);
}

// Bounds of Phi over cells of width 1/16 from -8 to 8; the outer cells reach to infinity.
class NormalTable {
 public:
  struct Bound {
    double probability;  // P >= Phi(y)
    double hazard;       // -log(1 - P)
  };

  NormalTable() {
    for (std::size_t c = 0; c < kCells; ++c) {
      const double edge = kLow + static_cast<double>(c + 1) / kPerUnit;
      const bool last = c + 1 == kCells;
      lower_[c] = c == 0 ? 0 : upper_[c - 1].probability;
      upper_[c] = last ? Bound{1, std::numeric_limits<double>::infinity()}
                       : Bound{normal_cdf(edge), -std::log(normal_cdf(-edge))};
      if (edge < 0) upper_[c].hazard = -std::log1p(-normal_cdf(edge));
    }
  }

  [[nodiscard]] const Bound& bound(float y) const { return upper_[cell(y)]; }

  // Whether u < Phi(y); Phi is evaluated only where the cell does not say.
  [[nodiscard]] bool below(double u, float y) const {
    const std::size_t c = cell(y);
    if (u < lower_[c]) return true;
    if (u >= upper_[c].probability) return false;
    return u < normal_cdf(double{y});
  }

 private:
  static constexpr double kLow = -8;
  static constexpr int kPerUnit = 16;
  static constexpr std::size_t kCells = 2 * 8 * kPerUnit;

  static std::size_t cell(float y) {
    const double place = (double{y} - kLow) * kPerUnit;
    return static_cast<std::size_t>(std::clamp(place, 0.0, static_cast<double>(kCells - 1)));
  }

  std::array<double, kCells> lower_{};
  std::array<Bound, kCells> upper_{};
};

}  // namespace saffron::plugins::synth
