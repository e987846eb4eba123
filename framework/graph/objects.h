#pragma once

#include "framework/graph/host_context.h"
#include "framework/loader/catalog.h"
#include "framework/recipe/recipe.h"
#include "framework/train/reader.h"

#include <saffron/dataset.h>
#include <saffron/model.h>
#include <saffron/sae.h>
#include <saffron/source.h>
#include <saffron/world.h>

#include <map>
#include <memory>
#include <string>

namespace saffron::host {

// The components of a recipe as objects, each created when first asked for, in the order that their
// references need, and kept.
class Objects {
 public:
  Objects(const Recipe& recipe, const Catalog& catalog, const HostSettings& host);
  ~Objects();
  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;

  [[nodiscard]] std::shared_ptr<Source> source(const std::string& name);
  [[nodiscard]] std::shared_ptr<World> world(const std::string& name);
  // A member of an sae node: created, its shape known, declared; tensors are bound by whoever
  // trains or loads it.
  [[nodiscard]] std::shared_ptr<TrainedSae> sae(const std::string& member);
  // The node's own component, whatever its kind.
  [[nodiscard]] std::shared_ptr<void> node(const NodeSpec& node);

  // A component that no table of its own names: an objective, a regularizer, a scorer.
  template <class Kind>
  [[nodiscard]] std::shared_ptr<Kind> create(const ComponentUse& use, const std::string& path,
                                             std::int64_t seed) {
    return std::static_pointer_cast<Kind>(create_component(use, path, seed));
  }

  // Blocks of a source, shared by all who read it, and its split.
  [[nodiscard]] std::shared_ptr<BlockCache> blocks(const std::string& source);
  [[nodiscard]] BlockSplit split(const std::string& source);
  // Blocks that a train node shuffles together.
  [[nodiscard]] std::int64_t window(const TrainSpec& train);

  [[nodiscard]] const Recipe& recipe() const { return recipe_; }
  [[nodiscard]] const Catalog& catalog() const { return catalog_; }
  [[nodiscard]] const HostSettings& host() const { return host_; }

 private:
  friend class NodeServices;
  [[nodiscard]] std::shared_ptr<void> create_component(const ComponentUse& use,
                                                       const std::string& path, std::int64_t seed);
  [[nodiscard]] std::vector<std::int64_t> streams_of(const std::vector<std::string>& names,
                                                     const Member& member, std::string& source);

  const Recipe& recipe_;
  const Catalog& catalog_;
  const HostSettings& host_;
  std::map<std::string, std::shared_ptr<void>> nodes_;         // by path
  std::map<std::string, std::shared_ptr<TrainedSae>> saes_;    // by member
  std::map<std::string, std::shared_ptr<BlockCache>> blocks_;  // by source
  std::vector<std::unique_ptr<NodeContext>> contexts_;         // outlive their components
};

}  // namespace saffron::host
