#pragma once

#include "framework/recipe/component_decode.h"
#include "framework/recipe/recipe.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace saffron::host {

inline constexpr std::int64_t kRecipeFormat = 1;
inline constexpr std::size_t kLongestRunName = 100;

// What a recipe may say above its first table. `extends`, which no schema decodes, is among them.
[[nodiscard]] std::vector<ParamInfo> setting_params();

struct DecodedSettings {
  Settings settings;
  Value resolved = Value::table();
};

// The settings of `root` (a table of settings alone, without sections). Problems go to `decoder`.
[[nodiscard]] DecodedSettings decode_settings_table(const Value& root, const Document& document,
                                                    ComponentDecoder& decoder);

// Letters, digits, '_', '-' and, inside, '.': what may name a node (without '.') or a run.
[[nodiscard]] bool is_plain_name(std::string_view name, bool dots);
// auto, cpu, cuda or cuda:N.
[[nodiscard]] bool is_device(std::string_view text);
// The same as regular expressions, for editors.
inline constexpr const char* kNodeNamePattern = "^[A-Za-z0-9_-]+$";
inline constexpr const char* kRunNamePattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$";
inline constexpr const char* kDevicePattern = "^(auto|cpu|cuda(:[0-9]{1,3})?)$";

}  // namespace saffron::host
