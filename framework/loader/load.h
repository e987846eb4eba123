#pragma once

#include "framework/loader/component.h"

#include <cstddef>

namespace saffron::host {

// Loads a plugin into this process, once, and for ever: unloading with a live autograd node, module
// or exception is a crash, so nothing is ever unloaded. A second call returns the first one's.
// Thread-safe. What can be refused without running the plugin's code is refused before dlopen;
// throws Error (plugin).
[[nodiscard]] const LoadedPlugin& load_plugin(const PluginFile& file);

// The plugin's entry, after the same refusals and dlopen but before it is called: for who wants to see
// what it answers (`saffron test-plugin`).
[[nodiscard]] saffron_plugin_entry_fn open_plugin(const PluginFile& file);

// How often this process has called dlopen for a plugin.
[[nodiscard]] std::size_t loaded_count();

// Throws mismatch_error when the file's build tag does not fit this host.
void check_tag(const PluginFile& file);

}  // namespace saffron::host
