#pragma once

#include <saffron/comparator.h>

#include <string>
#include <vector>

namespace saffron::host {

// What a comparison's report shows for every comparator: a heat map a metric, a table of intervals,
// certificates in words, what was degenerate, and the terms that these use.
[[nodiscard]] std::vector<Block> comparison_blocks(const Comparison& comparison,
                                                   const std::vector<std::string>& rewards,
                                                   const std::string& about);

}  // namespace saffron::host
