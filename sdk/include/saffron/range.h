#pragma once

#include <saffron/namespace.h>

#include <limits>
#include <string_view>

namespace saffron::inline sdk_v1 {

// The numbers that a range allows; an open bound is not itself allowed.
struct SAFFRON_EXPORT Bounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;

  [[nodiscard]] bool contain(double value) const;
};

// A range as descriptors and metrics print it: "> 0", "[0, 1)", "[0, inf)", ">= 1, < 5". A part that is no comparison and
// no interval is prose and allows every number.
[[nodiscard]] SAFFRON_EXPORT Bounds bounds_of(std::string_view range);

[[nodiscard]] inline bool in_range(std::string_view range, double value) {
  return bounds_of(range).contain(value);
}

}  // namespace saffron::inline sdk_v1
