#pragma once

#include <saffron/schema.h>

#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {

// What a recipe needs to know of the components at hand. The loader's catalogue implements it;
// tests use one in memory. Functions may load a plugin and throw what that throws.
class ComponentCatalog {
 public:
  virtual ~ComponentCatalog() = default;

  // The full names, "org.example.hoyer::hoyer", of what `use` may mean for this kind: `use` is a
  // component's name or a full name. None: unknown. Several: ambiguous. Loads nothing.
  [[nodiscard]] virtual std::vector<std::string> resolve(std::string_view kind,
                                                         std::string_view use) const = 0;
  // Names (not full) of all components of a kind, for suggestions. Loads nothing.
  [[nodiscard]] virtual std::vector<std::string> names(std::string_view kind) const = 0;
  // The ids of all plugins at hand. Loads nothing.
  [[nodiscard]] virtual std::vector<std::string> plugin_ids() const = 0;

  // `id` is one of the full names that resolve gave.
  [[nodiscard]] virtual std::vector<ParamInfo> params(std::string_view kind,
                                                      const std::string& id) = 0;
  // Checks a table of parameters, without `use`; see SchemaBase::decode.
  virtual void decode(std::string_view kind, const std::string& id, const Value& config,
                      Decoded& out) = 0;
};

}  // namespace saffron::host
