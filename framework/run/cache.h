#pragma once

#include <saffron/value.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace saffron::host {

// Results kept by what they were made of: cache/<kind>/<key>/, where the key is the SHA-256 of a
// canonical document (component, plugin digest, resolved parameters, seeds, input digests, upstream
// keys). The document is stored beside the result, so that a miss can say what changed, and so are the
// environment that it was made in and the digests of its files, so that a damaged result is made again.
class ResultCache {
 public:
  explicit ResultCache(std::filesystem::path root) : root_(std::move(root)) {}

  // What a lookup found. `reason`: "hit", "no earlier result", "k 32 -> 64", "input data/a.txt changed".
  struct Lookup {
    std::string key;
    std::optional<std::filesystem::path> folder;
    std::string reason;
    Value environment;  // of a hit: what it was made in
  };
  [[nodiscard]] Lookup find(const std::string& kind, const std::string& node,
                            const Value& document) const;
  // Makes an entry of what `fill` writes into the folder that it gets. The entry appears whole; when
  // something throws, nothing of it stays. What a killed process left is swept by `saffron clean`.
  void keep(const std::string& kind, const std::string& node, const Value& document,
            const Value& environment,
            const std::function<void(const std::filesystem::path& folder)>& fill) const;
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

// How two documents differ, in a few words: the first differing paths with both values.
[[nodiscard]] std::string describe_change(const Value& before, const Value& after);

}  // namespace saffron::host
