#pragma once

#include "framework/loader/elf_tag.h"

#include <string>
#include <vector>

namespace saffron::host {

// What a plugin's dynamic section says against it, before any of its code runs.
struct DynamicSection {
  std::vector<std::string> foreign_libtorch;  // needed LibTorch libraries that this process lacks
  bool registers_operators = false;           // imports torch::Library's constructor
  std::vector<std::string> foreign_exports;   // symbols other than saffron_*
};

// Error (plugin) when the file is no longer what it was when `file` was read.
[[nodiscard]] DynamicSection read_dynamic_section(const PluginFile& file);

}  // namespace saffron::host
