#pragma once

// Everything public lives in saffron::sdk_v1 (inline). A plugin built against an incompatible SDK
// major then fails with a missing symbol instead of a corrupted object.
#define SAFFRON_SDK_VERSION_MAJOR 0
#define SAFFRON_SDK_VERSION_MINOR 1
#define SAFFRON_SDK_VERSION_PATCH 0

#define SAFFRON_EXPORT __attribute__((visibility("default")))

namespace saffron {
inline namespace sdk_v1 {}
}  // namespace saffron
