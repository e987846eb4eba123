#pragma once

#include <saffron/testing/checks.h>

#include <span>

// One function a group of checks; check.cpp puts them in order.

namespace saffron::testing {

[[nodiscard]] std::span<const Check> parameter_checks();
[[nodiscard]] std::span<const Check> component_checks();
[[nodiscard]] std::span<const Check> regularizer_checks();
[[nodiscard]] std::span<const Check> objective_checks();
[[nodiscard]] std::span<const Check> sae_checks();
[[nodiscard]] std::span<const Check> source_checks();
[[nodiscard]] std::span<const Check> dataset_checks();
[[nodiscard]] std::span<const Check> model_checks();
[[nodiscard]] std::span<const Check> tokenizer_checks();
[[nodiscard]] std::span<const Check> scorer_checks();
[[nodiscard]] std::span<const Check> world_checks();
[[nodiscard]] std::span<const Check> comparator_checks();
[[nodiscard]] std::span<const Check> format_checks();
[[nodiscard]] std::span<const Check> explainer_checks();
[[nodiscard]] std::span<const Check> judge_checks();

}  // namespace saffron::testing
