#pragma once

#include "framework/loader/catalog.h"
#include "framework/recipe/kinds.h"

#include <saffron/schema.h>

#include <string>
#include <vector>

// What `saffron plugins` and `saffron inspect` show. Each listing is made as a Value, which is the
// --json output, and the text is rendered from that Value: one truth, also across processes.

namespace saffron::host {

// One parameter: name, type, default, range, choices, unit, doc, flags, nested fields.
[[nodiscard]] Value describe(const ParamInfo& param);
// What describe() was given.
[[nodiscard]] ParamInfo param_of(const Value& description);
// One component: what it is, its parameters, its kind's own keys, the file that it is from.
[[nodiscard]] Value describe(const Component& component);
// A kind: what it makes, its header, how a recipe writes one, the keys beside a component's.
[[nodiscard]] Value describe(const Kind& kind);
// What a recipe may say above its first table, and [train.NAME], the one table that uses no
// component; with it the keys that every regularizer in it has.
[[nodiscard]] Value describe_recipe();
[[nodiscard]] Value describe_train();
// A plugin, and of each component what it is and its parameters.
[[nodiscard]] Value describe(const LoadedPlugin& plugin);
// Every file looked at, and why it was or was not taken. Loads nothing.
[[nodiscard]] Value describe(const Catalog& catalog);

// `saffron inspect`, after gst-inspect-1.0, from describe(Component).
[[nodiscard]] std::string component_text(const Value& description);
// The same, from describe_recipe() or describe_train().
[[nodiscard]] std::string section_text(const Value& description);
// `saffron plugins`, from describe(Catalog). Components have a summary where the listing has one.
[[nodiscard]] std::string catalog_text(const Value& listing);

}  // namespace saffron::host
