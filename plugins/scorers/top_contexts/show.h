#pragma once

#include "latent_tops.h"

#include <saffron/report.h>
#include <saffron/source.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// One group a latent, in the given order, with the text around its peaks: `window` tokens on each
// side, as far as the context goes.
[[nodiscard]] Block show_latents(const std::string& sae, const LatentTops& tops,
                                 const std::vector<std::int64_t>& latents, ModelBacked& backed,
                                 std::int64_t window);

}  // namespace saffron::plugins
