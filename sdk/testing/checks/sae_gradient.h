#pragma once

#include <saffron/testing/checks.h>

namespace saffron::testing {

// backward() against finite differences, in every parameter but declared pseudo-gradients.
[[nodiscard]] Verdict sae_gradient_matches(const Subject& subject);

// Skips the check of an SAE that leaves parameters as the host allocated them.
void need_initialised(const Subject& subject);

}  // namespace saffron::testing
