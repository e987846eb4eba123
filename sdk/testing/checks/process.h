#pragma once

#include <saffron/testing/checks.h>

// What a component does to the process that it is used in.

namespace saffron::testing {

Verdict leaves_process_alone(const Subject& subject);
Verdict no_thread_left(const Subject& subject);

}  // namespace saffron::testing
