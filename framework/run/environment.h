#pragma once

#include <saffron/value.h>

#include <string>

namespace saffron::host {

// What a result's bits depend on beside the recipe: versions, processor, instruction set, threads.
// A resumed run compares it; `saffron plan` and the report show it.
[[nodiscard]] Value environment();
// "2026-11-21T10:00:00Z"
[[nodiscard]] std::string now_text();

}  // namespace saffron::host
