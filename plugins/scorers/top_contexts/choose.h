#pragma once

#include "latent_tops.h"

#include <saffron/random.h>

#include <cstdint>
#include <vector>

namespace saffron::plugins {

enum class Choice : std::uint8_t {
  strongest,  // largest activation
  frequent,   // fires in most rows
  random,     // uniformly among the latents that fire
  ids,        // as listed
};

// At most `count` latents, in the order in which they are shown; ties go to the lower latent.
// Latents that never fired are chosen by id only.
[[nodiscard]] std::vector<std::int64_t> choose_latents(const LatentTops& tops, Choice choice,
                                                       const std::vector<std::int64_t>& ids,
                                                       std::int64_t count, Random random);

}  // namespace saffron::plugins
