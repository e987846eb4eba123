#pragma once

#include "observations.h"
#include "statistics.h"

#include <saffron/report.h>

#include <vector>

namespace saffron::plugins {

// All numbers, of every distance.
[[nodiscard]] std::vector<Metric> correlation_metrics(const std::vector<Statistics>& statistics);

// A table of the distances that divide and measure by one norm, of angles and of correlations; each form's
// norms against each other; some pairs as points.
[[nodiscard]] std::vector<Block> correlation_blocks(const Observations& observations,
                                                    const std::vector<Statistics>& statistics);

}  // namespace saffron::plugins
