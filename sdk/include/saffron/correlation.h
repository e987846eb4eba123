#pragma once

#include <saffron/namespace.h>

#include <optional>
#include <span>
#include <vector>

namespace saffron::inline sdk_v1 {

// Places of x in ascending order, counted from 1; equal values share the mean of theirs. Not for NaN.
[[nodiscard]] SAFFRON_EXPORT std::vector<double> average_ranks(std::span<const double> x);

// sum (x - mean x)(y - mean y) / sqrt(sum (x - mean x)^2 sum (y - mean y)^2), in [-1, 1]; none where x or
// y is constant or holds fewer than two values. In two passes, so that it does not depend on where 0 is.
[[nodiscard]] SAFFRON_EXPORT std::optional<double> pearson(std::span<const double> x,
                                                           std::span<const double> y);
// Of the average ranks.
[[nodiscard]] SAFFRON_EXPORT std::optional<double> spearman(std::span<const double> x,
                                                            std::span<const double> y);

}  // namespace saffron::inline sdk_v1
