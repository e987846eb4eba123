#pragma once

#include <saffron/format.h>

namespace saffron::plugins {

// SAELens' folder of one SAE: cfg.json and sae_weights.safetensors with W_enc [d, F], b_enc [F],
// W_dec [F, d], b_dec [d], for the architectures "standard" (ReLU) and "topk".
// (SAELens 6, saes/sae.py: f = act((x - apply * b_dec) W_enc + b_enc), xhat = f W_dec + b_dec)
//
// Written weights read raw activations: where the source centred or scaled its rows, x = (a - mean) * s
// with one scale s, that is folded in:
//   encoding a:   W_enc' = s W_enc,   b_enc' = b_enc - s mean W_enc   (b_dec's part likewise, apply = 0)
//   decoding:     xhat / s + mean:    W_dec' = W_dec / s,   b_dec' = b_dec / s + mean
// so that f is unchanged. Scales that differ between coordinates cannot be expressed (Error invalid).
class SaeLens final : public Format {
 public:
  struct Options {};
  static Schema<Options> schema() { return {}; }
  explicit SaeLens(const Options&) {}

  [[nodiscard]] bool recognises(const std::string& folder) const override;
  [[nodiscard]] CanonicalSae read(const std::string& folder) const override;
  void write(const TrainedSae& sae, const CanonicalSae& weights,
             const std::string& folder) const override;
};

}  // namespace saffron::plugins
