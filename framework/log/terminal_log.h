#pragma once

#include <saffron/log.h>

#include <memory>
#include <string>

namespace saffron::host {

// Writes every message to `file` (when not empty) and warnings and errors to stderr; `verbose` shows
// information there too. Colours only on a terminal.
std::unique_ptr<LogSink> make_log(const std::string& file, bool verbose);

}  // namespace saffron::host
