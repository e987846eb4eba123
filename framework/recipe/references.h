#pragma once

#include "framework/recipe/recipe.h"

namespace saffron::host {

// Checks where every reference of a decoded recipe leads: unknown nodes, nodes of another kind,
// names that stand for several members where one is wanted, names listed twice, cycles. If nothing
// else is wrong, warns of nodes that nothing uses.
void check_references(Recipe& recipe);

}  // namespace saffron::host
