#pragma once

#include "framework/loader/catalog.h"
#include "framework/recipe/recipe.h"
#include "framework/run/digests.h"

#include <functional>
#include <map>
#include <string>

namespace saffron::host {

// What each result is made of, as documents whose hash keys the cache: component, plugin digest (or,
// when revisions are trusted, the revision that its author raises), parameters, seeds, the content of
// input files, and the same of everything upstream.
class Identity {
 public:
  Identity(const Recipe& recipe, const Catalog& catalog, Digests& digests, bool trust_revisions);

  [[nodiscard]] Value node(const NodeSpec& node);  // dataset, model, source, world
  [[nodiscard]] Value train_group(const NodeSpec& train, const TrainGroup& group);
  [[nodiscard]] Value sae_member(const std::string& member);  // its group's, and which one
  [[nodiscard]] Value score(const NodeSpec& score);
  [[nodiscard]] Value compare(const NodeSpec& compare);

  // All input files of the recipe with their digests, and all plugins with theirs.
  [[nodiscard]] Value inputs();
  [[nodiscard]] Value plugins();
  [[nodiscard]] Value libraries();  // Saffron's own: kernels, trainer and metrics are in these

 private:
  [[nodiscard]] Value component(const ComponentUse& use);
  void each_use(const std::function<void(const ComponentUse&)>& visit) const;
  void add_version(Value& out, const std::string& kind, const std::string& id) const;
  [[nodiscard]] Value files(const ComponentUse& use);
  // References to SAEs of `within` itself are left out: they are in its key already.
  [[nodiscard]] Value upstream(const std::vector<Decoded::Reference>& references,
                               const TrainGroup* within = nullptr);
  [[nodiscard]] Value common();

  const Recipe& recipe_;
  const Catalog& catalog_;
  Digests& digests_;
  bool trust_revisions_;
  std::map<std::string, Value> nodes_;  // by path
};

}  // namespace saffron::host
