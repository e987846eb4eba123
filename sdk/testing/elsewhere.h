#pragma once

#include "testing/driver.h"

#include <functional>
#include <optional>
#include <string>

// Uses in another process, whose results come back as text.

namespace saffron::testing {

// A line a result: equal texts are equal results, bit for bit.
[[nodiscard]] std::string printed(const Observed& seen);
// The first line in which two texts differ, of each; what lies near the difference of long ones.
[[nodiscard]] std::string first_difference(const std::string& a, const std::string& b);

// What f returns, computed in a process of its own, or what it throws; nothing where there are
// threads, which a fork would lose.
[[nodiscard]] std::optional<std::string> elsewhere(const std::function<std::string()>& f);

}  // namespace saffron::testing
