#pragma once

#include <string_view>

namespace saffron::host {

// "X.Y.Z": three numbers.
[[nodiscard]] bool is_version(std::string_view text);

// Whether a plugin's version comes before `least`, an X.Y.Z, as semantic versions are ordered:
// 0.9.0 < 0.10.0-rc.1 < 0.10.0. One that is no semantic version is older than all.
[[nodiscard]] bool is_older(std::string_view version, std::string_view least);

}  // namespace saffron::host
