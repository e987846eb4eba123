#pragma once

#include <saffron/format.h>

namespace saffron::plugins {

// A hookpoint's folder of EleutherAI's sparsify: cfg.json and sae.safetensors (sparsify 1.3,
// sparse_coder.py and fused_encoder.py).
//
//   encoder.weight [F, d]   encoder.bias [F]   W_dec [F, d]   b_dec [d]   W_skip [d, d]
//
//   a = (x - b_dec) encoder.weight^T + encoder.bias; b_dec is not subtracted with `transcode`
//   xhat = f W_dec + b_dec + x W_skip^T; W_skip is there with `skip_connection`
//   f: the k largest ReLU(a) ("topk"), or the largest of each of k groups ("groupmax")
//
// W_dec is not transposed: both matrices have latents first. What is read besides: another width of what
// is predicted than of what is read, and cfg.json from before `activation` ("topk").
//
// relu is written as topk with k = F, which is the same; the other activations cannot be expressed.
class Sparsify final : public Format {
 public:
  struct Options {};
  static Schema<Options> schema() { return {}; }
  explicit Sparsify(const Options&) {}

  [[nodiscard]] bool recognises(const std::string& path) const override;
  [[nodiscard]] CanonicalSae read(const std::string& path) const override;
  void write(const TrainedSae& sae, const CanonicalSae& weights,
             const std::string& folder) const override;
};

}  // namespace saffron::plugins
