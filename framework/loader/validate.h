#pragma once

#include "framework/loader/elf_tag.h"

#include <saffron/abi.h>

namespace saffron::host {

// Checks that this is a descriptor that this host can read, of the plugin that the file named:
// magic, size, ABI, build tag and layout. Throws Error (plugin).
void check_identity(const saffron_plugin& plugin, const PluginFile& file);

struct DescriptorProblem {
  std::string text;            // "regularizer 'hoyer': parameter 'floor' has no documentation"
  bool documentation = false;  // something is not said, rather than wrong
};
// Everything that is wrong with a descriptor as data. Calls none of its code.
[[nodiscard]] std::vector<DescriptorProblem> descriptor_problems(const saffron_plugin& plugin,
                                                                 const PluginFile& file);

// Checks the descriptor as data: names unique and of known kinds and interface revisions, every
// parameter documented, every default of its type and inside its range, factories present. Throws
// one Error (plugin) that lists everything that is wrong, by component. Calls none of its code.
void check_descriptor(const saffron_plugin& plugin, const PluginFile& file);

}  // namespace saffron::host
