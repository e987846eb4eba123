#pragma once

#include <saffron/testing/checks.h>

// What an SAE learns, and where it keeps that.

namespace saffron::testing {

Verdict loss_decreases(const Subject& subject);
Verdict parameters_registered(const Subject& subject);
Verdict ranks_merge(const Subject& subject);

}  // namespace saffron::testing
