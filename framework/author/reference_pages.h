#pragma once

#include <saffron/value.h>

#include <map>
#include <string>

namespace saffron::host {

// The pages of docs/reference by their file's name: one for each kind, for the keys of a recipe and
// of a train node, and an index. They name no path, digest or version: the same components make the
// same text.
[[nodiscard]] std::map<std::string, std::string> reference_pages(const Value& inventory);

}  // namespace saffron::host
