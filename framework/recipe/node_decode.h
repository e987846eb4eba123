#pragma once

#include "framework/recipe/component_decode.h"
#include "framework/recipe/recipe.h"

#include <string>
#include <string_view>

namespace saffron::host {

// Decodes one node's table into `node`: its section's own keys, its component, and what both refer
// to. `node` has its section, name, origin and table. Train nodes: see train_decode.h.
void decode_node(NodeSpec& node, ComponentDecoder& decoder);

// An SAE's table, a grid's values put in: what a member and its node have in common.
struct DecodedSae {
  ComponentUse component;
  SaeKeys keys;
  Value resolved = Value::table();
  Value identity = Value::table();
  std::vector<Decoded::Reference> references;
};
[[nodiscard]] DecodedSae decode_sae(const Value& table, const std::string& path,
                                    ComponentDecoder& decoder);

// `use`, own keys and parameters as one table: as printed, and as hashed.
void join_tables(const Value& table, const ComponentUse& component, const Value& own,
                 std::string_view section, Value& resolved, Value& identity);

// References of `kind` for the names in `names` (a string or a list of strings).
[[nodiscard]] std::vector<Decoded::Reference> references_in(const Value* names,
                                                            const std::string& kind,
                                                            const std::string& path);

}  // namespace saffron::host
