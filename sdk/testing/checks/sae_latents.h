#pragma once

#include <saffron/testing/checks.h>

// Latents of an SAE one by one, and rows.

namespace saffron::testing {

Verdict reinitialises_what_is_asked(const Subject& subject);
Verdict resampled_latents_exist(const Subject& subject);
// Whether the same rows, once more, have other codes: for rows-alone to say.
bool encodes_otherwise_again(const Subject& subject);
Verdict rows_alone(const Subject& subject);

}  // namespace saffron::testing
