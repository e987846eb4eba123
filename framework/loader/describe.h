#pragma once

#include "framework/loader/catalog.h"

#include <saffron/schema.h>

#include <string>

// What `saffron plugins` and `saffron inspect` show. Each listing is made as a Value, which is the
// --json output, and the text is rendered from that Value: one truth, also across processes.

namespace saffron::host {

// One parameter: name, type, default, range, choices, unit, doc, flags, nested fields.
[[nodiscard]] Value describe(const ParamInfo& param);
// One component: what it is, its parameters, its kind's own keys, the file that it is from.
[[nodiscard]] Value describe(const Component& component);
// [train.NAME], the one table of a recipe that uses no component: its keys, and those that every
// regularizer in it has.
[[nodiscard]] Value describe_train();
// A plugin's components, each with its summary.
[[nodiscard]] Value describe(const LoadedPlugin& plugin);
// Every file looked at, and why it was or was not taken. Loads nothing.
[[nodiscard]] Value describe(const Catalog& catalog);

// `saffron inspect`, after gst-inspect-1.0, from describe(Component).
[[nodiscard]] std::string component_text(const Value& description);
// The same, from describe_train().
[[nodiscard]] std::string train_text(const Value& description);
// `saffron plugins`, from describe(Catalog). Components have a summary where the listing has one.
[[nodiscard]] std::string catalog_text(const Value& listing);

}  // namespace saffron::host
