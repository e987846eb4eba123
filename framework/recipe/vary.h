#pragma once

#include "framework/recipe/component_decode.h"
#include "framework/recipe/recipe.h"

#include <cstddef>
#include <string>
#include <vector>

// Grids. A train node's `vary` lists values for keys of its SAEs ("student.k"), of its regularizers
// ("regularizer.hoyer.coef"), and for `seed`, which is the key of that name of every SAE. The SAEs
// that a regularizer ties together move through the cross product of the keys that concern any of
// them; an SAE has no members for keys that do not concern it.

namespace saffron::host {

inline constexpr std::size_t kLargestGrid = 1024;

// The axes of `vary`, a value of the train node `table` at `path`. Axes with problems are left out.
[[nodiscard]] std::vector<VaryAxis> parse_axes(const Value& vary, const Value& table,
                                               const std::vector<std::string>& saes,
                                               const std::string& path, Problems& problems);

// `table` with each axis at its value number at[i]; at the first of each when `at` is empty.
[[nodiscard]] Value at_point(const Value& table, const std::vector<const VaryAxis*>& axes,
                             const std::vector<std::size_t>& at);

// A node's resolved table at a point of the grid -> as it was written: varied keys that the recipe
// does not set are taken out, the others get their own value back.
void restore_written(Value& resolved, const Value& written,
                     const std::vector<const VaryAxis*>& axes);
// The same for hashing: what a grid replaces has no part in the result.
void erase_varied(Value& identity, const std::vector<const VaryAxis*>& axes);

// The value of `table` that the axis replaces; nullptr when it has none.
[[nodiscard]] const Value* replaced_by(const VaryAxis& axis, const Value& table);

// What is wrong with a point, told of the `vary` key where its value comes from there.
void add_point_problems(const Problems& found, const std::string& train_path,
                        const std::vector<const VaryAxis*>& axes, Problems& problems);

// Makes the members of every SAE and the groups of every train node; decodes the SAEs on the way.
void expand_grids(Recipe& recipe, ComponentDecoder& decoder);

// What is wrong with the values that a grid replaces: no member has them.
void check_replaced(Recipe& recipe, ComponentDecoder& decoder);
// Warns of those that a later layer than the grid gives, in vain. Nothing where there are errors.
void warn_replaced(Recipe& recipe, const SourceTexts& sources);

// A value as members' names show it: 8, 0.001, 1e-4, relu.
[[nodiscard]] std::string coordinate_text(const Value& value);

}  // namespace saffron::host
