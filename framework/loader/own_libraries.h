#pragma once

#include <filesystem>
#include <vector>

namespace saffron::host {

// The files of libsaffron_sdk.so and libsaffron_host.so as this process loaded them.
[[nodiscard]] std::vector<std::filesystem::path> own_libraries();

}  // namespace saffron::host
