#pragma once

#include <saffron/format.h>

namespace saffron::plugins {

// SAELens' folder of one SAE: cfg.json and sae_weights.safetensors (SAELens 6, saes/*.py).
//
//   W_enc [d, F]  W_dec [F, d]  b_dec [d], and
//   standard       b_enc [F]                       "relu"
//   topk, abstopk  b_enc [F]                       "topk", "abs_topk"
//   jumprelu       b_enc [F], threshold [F]        "jumprelu"
//   gated          b_gate, b_mag, r_mag [F]        "gated"
//   transcoder, jumprelu_transcoder                W_dec [F, d_out], b_dec [d_out], not subtracted
//   skip_transcoder, jumprelu_skip_transcoder      and W_skip [d_out, d]
//
// Written weights read raw activations (on_raw_activations, format.h). There is no transcoder of the
// other activations.
//
// Read besides: training checkpoints, whose weights are raw. log_threshold (SAELens <= 6.47) is taken
// to e^log_threshold; topk_threshold of batchtopk and matryoshka_batchtopk is a threshold for all
// latents; rescale_acts_by_decoder_norm, with n the norms of W_dec's rows, is folded:
//   W_enc' = W_enc diag(n)    b_enc' = n b_enc    W_dec' = diag(1/n) W_dec
// activation_scaler.json beside them is folded too. And the flat cfg.json of SAELens before 6.0, with
// activation_fn_str, activation_fn_kwargs.k, and finetuning_scaling_factor, which scales W_dec's rows.
//
// Normalisation of each row by itself (layer_norm, constant_norm_rescale) and whitening are refused, and
// so are architectures without an encoder matrix.
class SaeLens final : public Format {
 public:
  struct Options {};
  static Schema<Options> schema() { return {}; }
  explicit SaeLens(const Options&) {}

  [[nodiscard]] bool recognises(const std::string& path) const override;
  [[nodiscard]] CanonicalSae read(const std::string& path) const override;
  void write(const TrainedSae& sae, const CanonicalSae& weights,
             const std::string& folder) const override;

  static constexpr const char* kConfig = "cfg.json";
  static constexpr const char* kWeights = "sae_weights.safetensors";
};

}  // namespace saffron::plugins
