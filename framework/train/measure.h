#pragma once

#include "framework/train/trainer.h"

#include <string>

// What the stepped and the fitted have in common when they are looked at.

namespace saffron::host {

// FVU and L0 of a batch.
void measure_batch(const SaeInput& input, const Forward& forward, const std::string& sae,
                   MemberMetrics& metrics);
// Error (numeric) that names `what`. `stepped`: of SAEs that the optimiser steps.
void require_finite(double value, const std::string& what, std::int64_t step, bool stepped);

}  // namespace saffron::host
