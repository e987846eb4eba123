#pragma once

#include <cmath>
#include <utility>

namespace saffron::inline sdk_v1::rewards {

// The minimum over lambda >= 0 of f(lambda) = range(R1° - lambda R2°), convex and piecewise linear, from lines
// that support it: one at each lambda that is asked for. f(lambda) >= |1 - lambda|, since both rewards have
// range 1 (or R2° = 0), and f(0) = 1: the minimum lies in [0, 2]. It is where a falling and a rising line
// meet that both touch f there. W: what attains a line.
template <class W>
class CuttingLines {
 public:
  struct Line {
    double intercept = 0, slope = 0;
    W attained{};
    [[nodiscard]] double at(double lambda) const { return intercept + lambda * slope; }
  };

  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] double lambda() const {
    return lambda_;
  }  // where a line is asked for, or the minimum
  [[nodiscard]] int evaluations() const { return evaluations_; }

  // A line whose value at lambda() is f's.
  void add(Line line) {
    const int before = evaluations_++;
    if (before == 0) {
      falling_ = rising_ = std::move(line);
      done_ = falling_.slope >= -kFlat;
      lambda_ = done_ ? 0 : 2;
      return;
    }
    if (before == 1) {
      rising_ = std::move(line);
    } else if (line.at(lambda_) <= falling_.at(lambda_) + kOnLine) {
      done_ = true;
      return;
    } else if (std::abs(line.slope) <= kFlat) {
      falling_ = rising_ = std::move(line);
      done_ = true;
      return;
    } else {
      (line.slope < 0 ? falling_ : rising_) = std::move(line);
    }
    lambda_ = (falling_.intercept - rising_.intercept) / (rising_.slope - falling_.slope);
  }

  // Once done: how much of the falling line is in a mixture with slope 0, and that mixture's value.
  [[nodiscard]] double falling_share() const {
    const double steep = rising_.slope - falling_.slope;
    return steep > 0 ? rising_.slope / steep : 1;
  }
  [[nodiscard]] double minimum() const {
    const double t = falling_share();
    return t * falling_.intercept + (1 - t) * rising_.intercept;
  }
  [[nodiscard]] const Line& falling() const { return falling_; }
  [[nodiscard]] const Line& rising() const { return rising_; }

 private:
  // How far f may lie above a line and still be taken to lie on it; and a slope that changes f by less than
  // rounding does.
  static constexpr double kOnLine = 1e-13, kFlat = 1e-14;

  Line falling_, rising_;
  double lambda_ = 0;
  int evaluations_ = 0;
  bool done_ = false;
};

inline constexpr int kMostLines = 10'000;

}  // namespace saffron::inline sdk_v1::rewards
