#pragma once

#include "framework/recipe/recipe.h"

#include <string>

namespace saffron::host {

// The recipe flattened: one TOML file, every value with its origin in a comment
// ("# base.toml:12", "# --set #1", "# default"). Reading it back gives the same resolved_value.
[[nodiscard]] std::string resolved_text(const Recipe& recipe);

// What identifies a run: settings and nodes, resolved, without what cannot change a result.
// to_json(..., canonical) of it is what is hashed.
[[nodiscard]] Value resolved_value(const Recipe& recipe);

}  // namespace saffron::host
