#include "framework/run/run_state.h"

#include <saffron/error.h>
#include <saffron/log.h>

namespace saffron::host {
namespace fs = std::filesystem;

std::optional<fs::path> RunState::find_cached(const std::string& kind, const std::string& node,
                                              const Value& document) {
  if (cache == nullptr) return std::nullopt;
  const ResultCache::Lookup lookup = cache->find(kind, node, document);
  if (!lookup.folder) {
    logging::info(cat(node, ": ", lookup.reason));
    return std::nullopt;
  }
  const std::string difference = describe_change(lookup.environment, environment);
  progress.say(cat("  ", node, ": from the cache",
                   difference.empty() ? "" : ", made in another environment: " + difference));
  Value entry = Value::table();
  entry.set("result", node);
  entry.set("difference", difference);
  cached.push(std::move(entry));
  return lookup.folder;
}

void RunState::keep(const std::string& kind, const std::string& node, const Value& document,
                    const std::function<void(const fs::path& folder)>& fill) const {
  if (cache != nullptr) cache->keep(kind, node, document, environment, fill);
}

}  // namespace saffron::host
