#pragma once

#include "framework/graph/objects.h"
#include "framework/loader/catalog.h"
#include "framework/loader/plugin_catalog.h"
#include "framework/recipe/recipe.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace saffron::host {

// What every command that takes a recipe is told.
struct RecipeRequest {
  std::string recipe;
  std::vector<std::string> sets;           // --set PATH=VALUE, in order
  std::vector<std::string> plugin_path;    // --plugin-path, in order
  std::optional<std::string> runs, cache;  // instead of the recipe's folders; cache "" = none
};

// A recipe with the plugins it needs, decoded and free of problems.
class Prepared {
 public:
  // Throws Error (recipe) with every problem of the file. Warnings go to the log.
  explicit Prepared(const RecipeRequest& request);

  // Creates every component and checks what only they know: streams, shapes, capabilities. Reads
  // headers of files, nothing more. Throws Error (recipe) with every problem.
  void check();

  [[nodiscard]] const Document& document() const { return document_; }
  [[nodiscard]] const Recipe& recipe() const { return recipe_; }
  [[nodiscard]] const Catalog& catalog() const { return *catalog_; }
  [[nodiscard]] Objects& objects() { return *objects_; }
  [[nodiscard]] HostSettings& host() { return host_; }
  // SHA-256 of the resolved recipe: the run's identity.
  [[nodiscard]] const std::string& hash() const { return hash_; }

 private:
  void check_data(Problems& problems);
  void check_saes(Problems& problems);
  void check_users(Problems& problems);
  void look_into(const NodeSpec& node);
  void require_stepped(const NodeSpec& train, const RegularizerSpec& r, const TrainGroup& group);
  void check_regularizer(const NodeSpec& train, const std::string& name);

  Document document_;
  std::unique_ptr<Catalog> catalog_;
  Recipe recipe_;
  HostSettings host_;
  std::unique_ptr<Objects> objects_;
  std::string hash_;
};

}  // namespace saffron::host
