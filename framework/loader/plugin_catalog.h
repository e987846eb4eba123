#pragma once

#include "framework/loader/catalog.h"
#include "framework/recipe/component_catalog.h"

namespace saffron::host {

// The parameters of a component, from its descriptor.
[[nodiscard]] std::vector<ParamInfo> params_of(const Component& component);

// The loader's catalogue as a recipe sees it. Keeps a reference.
class PluginCatalog final : public ComponentCatalog {
 public:
  explicit PluginCatalog(const Catalog& catalog) : catalog_(catalog) {}

  [[nodiscard]] std::vector<std::string> resolve(std::string_view kind,
                                                 std::string_view use) const override;
  [[nodiscard]] std::vector<std::string> names(std::string_view kind) const override;
  [[nodiscard]] std::vector<std::string> plugin_ids() const override;
  [[nodiscard]] std::vector<ParamInfo> params(std::string_view kind,
                                              const std::string& id) override;
  void decode(std::string_view kind, const std::string& id, const Value& config,
              Decoded& out) override;

 private:
  const Catalog& catalog_;
};

}  // namespace saffron::host
