#pragma once

#include "framework/recipe/component_catalog.h"

#include <saffron/value.h>

#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {

// Where in a recipe each key would be right: messages say where a misplaced one belongs.
class KeyIndex {
 public:
  KeyIndex(const Value& root, ComponentCatalog& catalog);

  // What to do about unknown key `key` of the table at `place` ("sae.student"), where `known` keys
  // would be right: "did you mean ...?", "'lr' belongs under train.all.optimizer", or all there is.
  [[nodiscard]] std::string help(const std::string& key, const std::string& place,
                                 const std::vector<std::string>& known) const;

 private:
  struct Entry {
    std::string key, place;
  };
  void add(const std::vector<ParamInfo>& params, const std::string& place);
  [[nodiscard]] std::vector<std::string> places(const std::string& key, std::string_view within,
                                                const std::string& except) const;

  std::vector<Entry> entries_;
};

}  // namespace saffron::host
