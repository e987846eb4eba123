#pragma once

#include <saffron/explainer.h>
#include <saffron/tokenizer.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

// A latent that fires on one letter, for explainers.

namespace saffron::testing {

inline constexpr std::int64_t kFiringToken = 'e';

// Contexts of the letters a to h, int64 [rows, length].
[[nodiscard]] at::Tensor toy_contexts(std::uint64_t data, std::int64_t rows, std::int64_t length);

// 1 to 1.5 where the token is the letter, else 0: float32 like `contexts`.
[[nodiscard]] at::Tensor toy_strengths(const at::Tensor& contexts);

// Fails the check where explain returns nothing.
[[nodiscard]] std::unique_ptr<Explainer::Explanation> explain(Explainer& explainer,
                                                              const LatentExamples& examples);

}  // namespace saffron::testing
