#pragma once

#include "framework/recipe/recipe.h"

#include <saffron/state.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

// Lines of metrics.jsonl: {"node", "sae", "step", ...}.

namespace saffron::host {

// How many lines each SAE of the node has.
[[nodiscard]] std::map<std::string, std::int64_t> lines_by_sae(const std::vector<Value>& lines,
                                                               const std::string& node);

// Takes away the node's lines.
void drop_lines(std::vector<Value>& lines, const std::string& node);

// Of the node's lines keeps those of these SAEs up to the checkpoint's step. Error (data), naming
// `file`, unless they are as many as the checkpoint counted ("lines" of its values).
void keep_lines(std::vector<Value>& lines, const std::string& node,
                const std::vector<std::string>& saes, const State& checkpoint,
                const std::filesystem::path& file);

// The one order of the file: by node as the recipe has them, by step, by SAE. However often a run was
// stopped and whatever came from the cache, its lines stand as those of an uninterrupted one.
void arrange_lines(std::vector<Value>& lines, const Recipe& recipe);

}  // namespace saffron::host
