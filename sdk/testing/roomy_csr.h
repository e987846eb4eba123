#pragma once

#include <saffron/codes.h>

namespace saffron::testing {

// The entries of f [B, F] that are not 0 as csr with room for more, as a captured graph holds it:
// behind the last entry are numbers that no sum may notice, at latents that there are. Differentiable.
[[nodiscard]] Codes roomy_csr(const at::Tensor& f);

}  // namespace saffron::testing
