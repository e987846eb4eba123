#pragma once

#include <saffron/sae.h>

#include <optional>

namespace saffron::testing {

// f of z = x' W_enc [B, F] in z's dtype, as CanonicalSae (sae.h) says; nothing for an activation that is
// not there, or lacks its k.
[[nodiscard]] std::optional<at::Tensor> canonical_codes(const CanonicalSae& sae,
                                                        const at::Tensor& z);

}  // namespace saffron::testing
