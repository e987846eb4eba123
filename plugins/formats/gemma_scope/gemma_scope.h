#pragma once

#include <saffron/format.h>

namespace saffron::plugins {

// Gemma Scope's folder of one SAE (Lieberum et al. 2024): params.npz with
//
//   W_enc [d, F]   b_enc [F]   threshold [F]   W_dec [F, d]   b_dec [d]
//
//   a = x W_enc + b_enc    f = ReLU(a) where a > threshold, else 0    xhat = f W_dec + b_dec
//
// b_dec is not subtracted. A transcoder's W_dec is [F, d_out], its b_dec [d_out]. Read besides: names
// with a small w; `scaling_factor` [F], by which f is scaled before it is decoded; and the
// params.safetensors of Gemma Scope 2, w_enc, w_dec, b_enc, b_dec, threshold, and
// affine_skip_connection [d, d_out], added as x affine_skip_connection.
//
// embedding: the folder is of one of Gemma Scope's embedding SAEs, which were trained on rows divided by
// sqrt(d); their files do not say so. As in SAELens, which knows them by their folders' names,
//
//   W_enc' = W_enc / sqrt(d)    W_dec' = W_dec sqrt(d)    and the other tensors are as they are
//
// relu is written as jumprelu with thresholds of 0, which is the same; the other activations and skip
// connections cannot be expressed in params.npz.
class GemmaScope final : public Format {
 public:
  struct Options {
    bool embedding = false;
  };
  static Schema<Options> schema();
  explicit GemmaScope(const Options& options) : options_(options) {}

  [[nodiscard]] bool recognises(const std::string& path) const override;
  [[nodiscard]] CanonicalSae read(const std::string& path) const override;
  void write(const TrainedSae& sae, const CanonicalSae& weights,
             const std::string& folder) const override;

 private:
  Options options_;
};

}  // namespace saffron::plugins
