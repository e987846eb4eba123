#pragma once

#include <string_view>

// The report page's parts, as text of the library (report/assets.cmake makes the definitions).

namespace saffron::host::assets {

extern const std::string_view kScript;
extern const std::string_view kStyle;
extern const std::string_view kUplotScript;
extern const std::string_view kUplotStyle;
extern const std::string_view kUplotLicense;

}  // namespace saffron::host::assets
