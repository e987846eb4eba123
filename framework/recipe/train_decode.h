#pragma once

#include "framework/recipe/component_decode.h"
#include "framework/recipe/recipe.h"

#include <string>

namespace saffron::host {

// Decodes a train node's table into `node`, all but the members that `vary` makes (vary.h):
// `node` has its section, name, origin and table.
void decode_train(NodeSpec& node, ComponentDecoder& decoder);

// One [train.<name>.regularizer.<name>] over some of the node's `saes`.
[[nodiscard]] RegularizerSpec decode_regularizer(const std::string& name, const Value& table,
                                                 const std::string& path,
                                                 const std::vector<std::string>& saes,
                                                 ComponentDecoder& decoder);

}  // namespace saffron::host
