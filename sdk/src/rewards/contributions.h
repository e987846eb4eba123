#pragma once

#include <saffron/reward_metrics.h>

#include <optional>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1::rewards {

// The states that carry "2-2" of the pairs furthest apart; none where it is not among the matrices, or the
// world has one state.
[[nodiscard]] std::optional<Block> contributions_block(const Distances& distances,
                                                       const std::vector<PairMatrix>& matrices,
                                                       const std::vector<std::string>& names);

}  // namespace saffron::inline sdk_v1::rewards
