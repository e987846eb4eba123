#pragma once

#include "framework/graph/identity.h"
#include "framework/graph/objects.h"
#include "framework/run/cache.h"
#include "framework/run/metrics_log.h"
#include "framework/run/progress.h"
#include "framework/run/run_directory.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace saffron::host {

// What the nodes of one run share while it runs.
struct RunState {
  const Recipe& recipe;
  Objects& objects;
  Identity& identity;
  const ResultCache* cache;  // nullptr: nothing is cached
  RunDirectory& directory;
  MetricsLog& metrics;
  Progress& progress;
  const Value& environment;
  Value& cached;  // the manifest's list of what came from the cache

  // The folder of a result made earlier, which is then noted, also where it was made in another
  // environment; nothing when it has to be made.
  [[nodiscard]] std::optional<std::filesystem::path> find_cached(const std::string& kind,
                                                                 const std::string& node,
                                                                 const Value& document);
  // Keeps what `fill` writes, where there is a cache.
  void keep(const std::string& kind, const std::string& node, const Value& document,
            const std::function<void(const std::filesystem::path& folder)>& fill) const;
};

// Trains (or takes from the cache) every SAE of the node; afterwards their tensors are bound.
void run_train_node(RunState& run, const NodeSpec& node);
// The report of a score node, or the comparison of a compare node, as documents (report.h's JSON form
// for the former; {"pairs", "certificates", "degenerate", "report"} for the latter).
[[nodiscard]] Value run_score_node(RunState& run, const NodeSpec& node);
[[nodiscard]] Value run_compare_node(RunState& run, const NodeSpec& node);

}  // namespace saffron::host
