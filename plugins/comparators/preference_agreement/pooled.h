#pragma once

#include <saffron/comparator.h>

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Correlations of scores [R, N] regardless of prompts: pearson_pooled, spearman_pooled, kendall_tau_b_pooled.
// O(R^2 N log N) (Knight 1966). The report warns of them.
void add_pooled(const at::Tensor& scores, const std::vector<std::string>& names, Comparison& out);

}  // namespace saffron::plugins
