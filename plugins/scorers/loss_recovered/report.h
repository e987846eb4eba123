#pragma once

#include "measure.h"

#include <saffron/report.h>

namespace saffron::plugins {

// What was measured, as metrics of each SAE; and how, in words.
[[nodiscard]] Report loss_report(const Job& job, const Measured& measured, ModelBacked& backed);

}  // namespace saffron::plugins
