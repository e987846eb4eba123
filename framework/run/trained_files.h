#pragma once

#include "framework/recipe/recipe.h"

#include <saffron/sae.h>

#include <filesystem>

namespace saffron::host {

// All that makes a trained SAE what it is, as the cache keeps it: parameters, buffers, state of its
// own. Reading binds them.
void write_trained(const std::filesystem::path& file, const TrainedSae& sae);
void read_trained(const std::filesystem::path& file, TrainedSae& sae);

// Parameters under their plain names for other programs, with buffers as "buffer/...", and, where the
// source is Normalised, x = (activation - input_mean) * input_scale, streams side by side.
void write_weights(const std::filesystem::path& file, const Member& member, const TrainedSae& sae);

}  // namespace saffron::host
