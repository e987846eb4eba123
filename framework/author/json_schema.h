#pragma once

#include "framework/author/inventory.h"

#include <saffron/value.h>

#include <vector>

namespace saffron::host {

// A JSON Schema (draft 7) of whole recipes that use these components, for editors.
//
// definitions/KIND says what a table of that kind may hold: its own keys, and by `use` (a chain of
// if/then/else) those of definitions/KIND.COMPONENT; a table without `use`, which only a file that
// `extends` another may have, is to fit one of them. definitions/needs.KIND says what must be there;
// it applies where nothing is extended, and leaves out what a grid may give.
//
// `anyOf` with an alternative that always holds is for editors: Taplo completes from `anyOf` but
// does not follow `if`. References, sums over several values and everything else that only
// `saffron check` knows are not in it.
[[nodiscard]] Value json_schema(const std::vector<Offer>& offers);

}  // namespace saffron::host
