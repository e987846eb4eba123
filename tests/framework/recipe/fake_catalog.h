#pragma once

#include "framework/recipe/component_catalog.h"

#include <saffron/context.h>
#include <saffron/schema.h>

#include <functional>
#include <string>
#include <vector>

// Components in memory: schemas like those of real plugins, without plugins.

namespace saffron::host::testing {

class FakeCatalog final : public ComponentCatalog {
 public:
  FakeCatalog();

  std::vector<std::string> resolve(std::string_view kind, std::string_view use) const override;
  std::vector<std::string> names(std::string_view kind) const override;
  std::vector<std::string> plugin_ids() const override;
  std::vector<ParamInfo> params(std::string_view kind, const std::string& id) override;
  void decode(std::string_view kind, const std::string& id, const Value& config,
              Decoded& out) override;

 private:
  struct Component {
    std::string kind, plugin, name;
    std::function<std::vector<ParamInfo>()> params;
    std::function<void(const Value&, Decoded&)> decode;
    [[nodiscard]] std::string id() const { return plugin + "::" + name; }
  };
  template <class Options>
  void offer(const char* kind, const char* plugin, const char* name);
  const Component& at(std::string_view kind, const std::string& id) const;

  std::vector<Component> components_;
};

}  // namespace saffron::host::testing
