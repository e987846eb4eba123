#pragma once

#include <saffron/value.h>

#include <filesystem>
#include <optional>
#include <string>

namespace saffron::host {

// Results kept by what they were made of: cache/<kind>/<key>/, where the key is the SHA-256 of a
// canonical document (component, plugin digest, resolved parameters, seeds, input digests, upstream
// keys). The document is stored beside the result, so that a miss can say what changed.
class ResultCache {
 public:
  explicit ResultCache(std::filesystem::path root) : root_(std::move(root)) {}

  // What a lookup found. `reason`: "hit", "no earlier result", "k 32 -> 64", "input data/a.txt changed".
  struct Lookup {
    std::string key;
    std::optional<std::filesystem::path> folder;
    std::string reason;
  };
  [[nodiscard]] Lookup find(const std::string& kind, const std::string& node,
                            const Value& document) const;
  // A folder to fill, which commit() makes the entry; a folder that was never committed is swept later.
  [[nodiscard]] std::filesystem::path stage(const std::string& kind, const std::string& key) const;
  void commit(const std::string& kind, const std::string& node, const Value& document,
              const std::filesystem::path& staged) const;
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

// How two documents differ, in a few words: the first differing paths with both values.
[[nodiscard]] std::string describe_change(const Value& before, const Value& after);

}  // namespace saffron::host
