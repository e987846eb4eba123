#pragma once

#include <saffron/schema.h>
#include <span>

#include <string>
#include <string_view>
#include <vector>

// The kinds of components that this host knows: a new kind is one SDK header and one line here.

namespace saffron::host {

struct KindInfo {
  const char* kind;       // "scorer": as plugins name it
  const char* interface;  // "saffron.scorer/1"
  const char* meaning;    // what it makes
};

[[nodiscard]] std::span<const KindInfo> kinds();
[[nodiscard]] const KindInfo* find_kind(std::string_view kind);  // nullptr: unknown
// " (did you mean 'sae'?)" for an unknown kind, or "".
[[nodiscard]] std::string nearest_kind(std::string_view word);
// The keys that a recipe's table has beside the component's parameters; none for a kind that is
// only ever nested.
[[nodiscard]] std::vector<ParamInfo> own_keys(std::string_view kind);
// How a recipe starts such a table: "[score.NAME]", "[train.NODE.regularizer.NAME]", or "" when
// the kind is only ever nested.
[[nodiscard]] std::string table_header(std::string_view kind);

}  // namespace saffron::host
