#pragma once

#include "framework/conformance/child.h"
#include "framework/conformance/test_plugin.h"

#include <saffron/abi.h>

#include <string>

namespace saffron::host {

// "regularizer/hoyer"
[[nodiscard]] std::string name_of(const PluginFile::Component& component);

// The component's row in the plugin's descriptor. Loads the plugin.
[[nodiscard]] const saffron_component& row_of(const PluginFile& file,
                                              const PluginFile::Component& component);

// Checks, components and parameters that somebody named must exist. Throws one Error that says all
// that is wrong: (recipe) when test-plugin.toml has some of it, (invalid) otherwise. The plugin is
// loaded in a child.
void check_names(const TestRequest& request, const PluginFile& file, const Children& children);

}  // namespace saffron::host
