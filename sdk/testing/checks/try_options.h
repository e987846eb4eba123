#pragma once

#include <saffron/testing/checks.h>

namespace saffron::testing {

// Makes it of these options, and an SAE encode. What is thrown is an Error, or a failure.
void make_and_try(const Subject& subject, const Value& options);

}  // namespace saffron::testing
