#include "framework/train/schedule.h"

#include <cmath>
#include <numbers>

namespace saffron::host {

double Schedule::factor(std::int64_t step, std::int64_t steps) const {
  const double total = static_cast<double>(steps), now = static_cast<double>(step);
  const double rise = warmup * total, fall = decay * total;
  if (now + 1 < rise) return (now + 1) / rise;
  if (fall <= 0 || now < total - fall) return 1;
  const double along = (now - (total - fall)) / fall;  // in [0, 1)
  const double weight =
      shape == Shape::linear ? 1 - along : 0.5 * (1 + std::cos(std::numbers::pi * along));
  return final + (1 - final) * weight;
}

double Schedule::again(std::int64_t step, std::int64_t since, std::int64_t steps) const {
  const double rise = rewarm * static_cast<double>(steps);
  const auto gone = static_cast<double>(step - since + 1);
  return since < 0 || gone >= rise ? 1 : gone / rise;
}

}  // namespace saffron::host
