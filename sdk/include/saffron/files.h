#pragma once

#include <saffron/namespace.h>

#include <span>
#include <string>
#include <vector>

namespace saffron::inline sdk_v1 {

// The files that paths and patterns stand for: *, ?, [a-z] and {a,b}, as a shell reads them.
//
// In the order of `patterns`; the matches of one pattern sorted by bytes, whatever the locale; each
// file once, where it comes first. A path that exists is itself, also when it looks like a pattern.
// Folders that a pattern matches are passed over.
//
// Error (io) when a path does not exist or a pattern matches no file; Error (invalid) for a folder.
[[nodiscard]] SAFFRON_EXPORT std::vector<std::string> expand_files(
    std::span<const std::string> patterns);

}  // namespace saffron::inline sdk_v1
