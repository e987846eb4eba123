#pragma once

#include <saffron/model.h>
#include <saffron/sae.h>
#include <saffron/source.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace saffron::plugins {

// Activations [n, T, width] of a clean run, by stream number.
using CleanActivations = std::map<std::int64_t, at::Tensor>;

struct Splice {
  std::vector<Edit> edits;  // one a predicted site
  double l0 = 0;            // sum over the rows that were encoded
  std::int64_t rows = 0;
};

// At each site that the SAE predicts: normalise, encode, decode, denormalise, from `first` on.
[[nodiscard]] Splice splice_sae(const TrainedSae& sae, const ModelBacked& backed,
                                const CleanActivations& clean, std::int64_t first);

// From position `first` on, the activation at `site` becomes `value`, broadcast against
// [n, T - first, width].
[[nodiscard]] Edit replace(std::string site, at::Tensor value, std::int64_t first);

}  // namespace saffron::plugins
