#pragma once

#include <saffron/namespace.h>

#include <string>
#include <string_view>

namespace saffron::inline sdk_v1::rewards {

// "0.25", with at most five digits.
[[nodiscard]] SAFFRON_EXPORT std::string short_number(double x);

// What a worst-case regret w12, a share of the range of reward 1 (`counts`), promises to whoever goes by
// reward 2 (`followed`): "if 'B' weakly prefers policy p to q, going from q to p costs at most 37 % of the
// range of 'A'". Percentages are rounded up, as they bound; a regret within rounding of 0 costs nothing.
[[nodiscard]] SAFFRON_EXPORT std::string regret_in_words(std::string_view counts,
                                                         std::string_view followed, double regret);

}  // namespace saffron::inline sdk_v1::rewards
