#pragma once

#include <saffron/sae.h>

namespace saffron::plugins {

// ReLU sparse autoencoder. Its sparsity comes from a regularizer (l1) named beside it.
// (Cunningham et al. 2024; Bricken et al. 2023)
//
//   f = ReLU((x - b_dec) W_enc^T + b_enc)      xhat = f W_dec + b_dec      W_enc, W_dec [F, d]
//
//   standardise: each row is first shifted and scaled by its own mean and standard deviation over d
//   (denominator d, + 1e-8), and the reconstruction is scaled and shifted back, so that the error is
//   that of the original row (the toy model of Heap et al. 2025). b_dec is a standardised row.
//   tied: W_enc is W_dec; one matrix is trained.
//
// Plain LibTorch ops under autograd; codes are dense.
class Relu final : public SimpleSae, public Reinitialisable, public Exportable {
 public:
  struct Options {
    std::int64_t width = 4096;
    bool tied = false;
    bool unit_decoder = true;
    bool decoder_bias = true;
    bool pre_bias = true;
    bool standardise = false;
    std::string b_dec_init = "geometric_median";
  };
  static Schema<Options> schema();

  explicit Relu(const Options& options) : options_(options) {}

  void initialise(const InitInput& init) override;
  void reinitialise(const at::Tensor& latents, Random random) override;
  [[nodiscard]] CanonicalSae canonical() const override;

 protected:
  SaeSpec declare_simple(std::int64_t d_in, std::int64_t d_out) override;
  [[nodiscard]] Codes encode_rows(const at::Tensor& x) const override;
  [[nodiscard]] at::Tensor decode_codes(const Codes& codes) const override;

 private:
  [[nodiscard]] const at::Tensor& encoder() const { return p(options_.tied ? "W_dec" : "W_enc"); }

  Options options_;
};

}  // namespace saffron::plugins
