#pragma once

#include "framework/recipe/component_decode.h"
#include "framework/recipe/recipe.h"

namespace saffron::host {

struct DecodedSettings {
  Settings settings;
  Value resolved = Value::table();
};

// The settings of `root` (a table of settings alone, without sections). Problems go to `decoder`.
[[nodiscard]] DecodedSettings decode_settings_table(const Value& root, const Document& document,
                                                    ComponentDecoder& decoder);

// Letters, digits, '_', '-' and, inside, '.': what may name a node (without '.') or a run.
[[nodiscard]] bool is_plain_name(std::string_view name, bool dots);

}  // namespace saffron::host
