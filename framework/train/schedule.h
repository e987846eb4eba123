#pragma once

#include <cstdint>

namespace saffron::host {

// A factor on a learning rate or coefficient over a run of `steps` steps:
//   linear rise from 0 over the first `warmup` share of the steps, then 1, then a fall to `final` over
//   the last `decay` share (linear, or half a cosine);
//   times another rise from 0, over `rewarm` of the steps, each time that latents are drawn anew: zeroed
//   moments make Adam's first steps as large as those of a run's start.
struct Schedule {
  enum class Shape { linear, cosine };
  double warmup = 0;  // in [0, 1]
  double decay = 0;   // in [0, 1]
  double final = 0;   // factor reached after the last step
  double rewarm = 0;  // in [0, 1]
  Shape shape = Shape::linear;

  // step counts from 0; the first step of a warm-up already moves (factor 1 / warm-up steps).
  [[nodiscard]] double factor(std::int64_t step, std::int64_t steps) const;
  // The second factor, where `since` is the first step after latents were drawn anew (-1: never).
  [[nodiscard]] double again(std::int64_t step, std::int64_t since, std::int64_t steps) const;
};

}  // namespace saffron::host
