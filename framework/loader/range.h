#pragma once

#include <string_view>

namespace saffron::host {

// Whether a number satisfies a range as descriptors print it: "> 0", "[0, 1)", ">= 1, < 5". A part
// that is no comparison and no interval is prose and holds for every number.
[[nodiscard]] bool in_range(std::string_view range, double value);

}  // namespace saffron::host
