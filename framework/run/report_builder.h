#pragma once

#include "framework/run/prepare.h"

#include <saffron/value.h>

#include <filesystem>

namespace saffron::host {

// The last measured record of every SAE: {"train.all": {"student[k=8]": {...}}}.
[[nodiscard]] Value last_records(const std::filesystem::path& metrics_file);

// results.json: values alone. `results` holds "train" (last_records), "score" (reports by node) and
// "compare" (comparisons by node).
[[nodiscard]] Value results_document(const Value& manifest, const Value& results);

// report.json: what report.html shows.
[[nodiscard]] Value report_document(Prepared& prepared, const Value& manifest, const Value& results,
                                    const std::filesystem::path& directory);

}  // namespace saffron::host
