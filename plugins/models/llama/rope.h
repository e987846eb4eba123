#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace llama {

// Rotary position embedding (Su et al. 2021), split-half layout: for i < D/2 and angle a = t f_i,
//   out[i] = x[i] cos a - x[i + D/2] sin a,   out[i + D/2] = x[i + D/2] cos a + x[i] sin a.
struct RopeScaling {
  std::string type = "default";  // "default", "linear" or "llama3"
  double factor = 1;
  // llama3 only: wavelengths above original_context / low are stretched by factor, those below
  // original_context / high are kept, the ones between are blended.
  double low = 1, high = 4, original_context = 8192;
};

// f_i = theta^(-2 i / D), scaled.
[[nodiscard]] std::vector<float> inverse_frequencies(std::int64_t head_width, double theta,
                                                     const RopeScaling& scaling);

struct RopeTable {
  at::Tensor cosine, sine;  // [T, D/2]
};

[[nodiscard]] RopeTable rope_table(const std::vector<float>& inverse_frequency, std::int64_t length,
                                   at::ScalarType dtype, at::Device device);

}  // namespace llama
