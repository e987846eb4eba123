#pragma once

#include <saffron/value.h>

#include <string>
#include <vector>

namespace saffron::host {

// One self-contained HTML page (no other file, no network) from report documents
// (docs/report-format.md): a run's own page from one, a side-by-side comparison from several.
// Throws Error (data) when there is none or one has another format.
[[nodiscard]] SAFFRON_EXPORT std::string render_html(const std::vector<Value>& reports);

}  // namespace saffron::host
