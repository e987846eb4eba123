#pragma once

#include <saffron/format.h>

namespace saffron::plugins {

// SAELens' folder of one SAE: cfg.json and sae_weights.safetensors with W_enc [d, F], b_enc [F],
// W_dec [F, d], b_dec [d], for the architectures "standard" (ReLU) and "topk".
// (SAELens 6, saes/sae.py: f = act((x - apply * b_dec) W_enc + b_enc), xhat = f W_dec + b_dec)
//
// Written weights read raw activations: where the source centred or scaled its rows, x = (a - mean) s
// with one scale s, that is folded in with apply = 1, so that the mean goes before any product:
//   b_dec' = b_dec / s + mean    W_enc' = s W_enc    W_dec' = W_dec / s
//   b_enc' = b_enc, and + b_dec W_enc where b_dec was not subtracted
// so that f is unchanged and the output is xhat / s + mean. Scales that differ between coordinates, and
// SAEs that predict another stream than they read, cannot be expressed (Error invalid).
//
// Read are plain folders only: settings that change the forward pass otherwise are refused.
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
