#pragma once

#include "framework/loader/catalog.h"
#include "framework/loader/sandbox.h"

#include <saffron/value.h>

#include <string>
#include <vector>

// Looking at a plugin in a child process: `saffron inspect`, `saffron plugins --load`.

namespace saffron::host {

// The hidden subcommand that the child runs: saffron __inspect-child files FILE..., or
// saffron __inspect-child component FILE KIND NAME [CONFIG].
inline constexpr const char* kInspectCommand = "__inspect-child";

// The child's side; `arguments` are those after the subcommand. Returns the exit code.
[[nodiscard]] int inspect_child(const std::vector<std::string>& arguments);

// describe(Component), and under "construct" what came of creating it from `config`, a JSON table:
// {outcome, message} with outcome passed, failed, crashed, timed_out, or skipped when it needs
// parameters or other nodes. Throws Error (plugin) when the plugin cannot even be loaded.
[[nodiscard]] Value inspect_component(const Catalog::Entry& entry, const ChildOptions& options = {},
                                      const Value& config = Value::table());
// describe(LoadedPlugin) of one file; throws Error (plugin) when it cannot be loaded.
[[nodiscard]] Value inspect_plugin(const PluginFile& file, const ChildOptions& options = {});

// describe(Catalog) with every usable plugin loaded as describe(LoadedPlugin), and a "problem" for
// what fails to load. One child loads as many as it survives; another goes on after a crash.
[[nodiscard]] Value describe_loaded(const Catalog& catalog, const ChildOptions& options = {});

}  // namespace saffron::host
