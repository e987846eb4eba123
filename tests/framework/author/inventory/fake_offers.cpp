#include "tests/framework/author/inventory/fake_offers.h"

#include "framework/recipe/kinds.h"
#include "tests/framework/recipe/fake_catalog.h"

namespace saffron::host::testing {

std::vector<Offer> fake_offers() {
  FakeCatalog catalog;
  std::vector<Offer> out;
  for (const std::string& kind : kind_names()) {
    for (const std::string& name : catalog.names(kind)) {
      for (const std::string& id : catalog.resolve(kind, name)) {
        const std::string plugin = id.substr(0, id.find(':'));
        if (plugin == "org.broken") continue;  // it does not load
        out.push_back({kind, plugin, name, cat(name, ", for tests"), catalog.params(kind, id)});
      }
    }
  }
  return out;
}

}  // namespace saffron::host::testing
