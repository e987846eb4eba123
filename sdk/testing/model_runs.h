#pragma once

#include <saffron/model.h>
#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

// What a model is run on, by its driver and its checks.

namespace saffron::testing {

// Of a context, in tokens: enough to look back on, cheap for a large model.
inline constexpr std::int64_t kRunLength = 6;

// int64 [rows, min(kRunLength, context)], below the vocabulary.
[[nodiscard]] at::Tensor random_tokens(const ModelInfo& info, const Random& random,
                                       std::int64_t rows);
// At most `count` names of sites, from the first to the last, in their order.
[[nodiscard]] std::vector<std::string> some_sites(const Model& model, std::size_t count);

}  // namespace saffron::testing
