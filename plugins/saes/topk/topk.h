#pragma once

#include <saffron/sae.h>

namespace saffron::plugins {

// TopK sparse autoencoder with an auxiliary loss for dead latents.
// (Gao et al. 2024, "Scaling and evaluating sparse autoencoders"; openai/sparse_autoencoder)
//
//   a = (x - b_dec) W_enc^T + b_enc        W_enc [F, d], W_dec [F, d], rows of W_dec have norm 1
//   f = ReLU(the k largest a of the row)   xhat = f W_dec + b_dec
//
//   AuxK: e = x - xhat, held fixed;  ehat = decoding, without b_dec, of the aux_k largest ReLU(a) among
//   dead latents (not fired for more than dead_after rows);  term = aux_coef * s * mean_b ||e - ehat||^2
//     s = Var(x) / Var(e)  ("relative": what two variance-normalised losses amount to, as published)
//     s = 1                ("raw")
//     s = 1 / Var(e)       ("residual_variance": as dictionary_learning, next to an unscaled error)
//   where Var(y) = mean_b ||y_b - mean y||^2, held fixed.
//
// Sparse throughout: codes [B, k], weight gradients factored.
class TopK final : public Sae, public Reinitialisable, public Exportable {
 public:
  struct Options {
    std::int64_t width = 4096;
    std::int64_t k = 32;
    double aux_coef = 1.0 / 32;
    std::int64_t aux_k = 256;
    std::int64_t dead_after = 10'000'000;
    std::string aux_scale = "relative";
    bool unit_decoder = true;
    bool decoder_bias = true;
    std::string b_dec_init = "geometric_median";
  };
  static Schema<Options> schema();

  explicit TopK(const Options& options) : options_(options) {}

  SaeSpec declare(const SaeShape& shape) override;
  void bind(const Tensors& parameters, const Tensors& buffers) override;
  void initialise(const InitInput& init) override;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const override;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const override;
  [[nodiscard]] Forward forward(const SaeInput& input) override;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) override;
  void after_step(const SaeInput& input, const Forward& forward) override;

  void reinitialise(const at::Tensor& latents, Random random) override;
  [[nodiscard]] CanonicalSae canonical() const override;

 private:
  [[nodiscard]] at::Tensor centred(const at::Tensor& x) const;
  void auxiliary(const SaeInput& input, const at::Tensor& rows, Forward& forward);
  // Gradients that a support's value gradients cause in the encoder.
  void encoder_gradient(const Codes& support, const at::Tensor& value_gradient,
                        const at::Tensor& rows, Gradients& gradients) const;

  Options options_;
  at::Tensor W_enc_, b_enc_, W_dec_, b_dec_, last_fired_;
  // From forward to backward of one step.
  Codes aux_codes_;
  at::Tensor aux_upstream_;
  // After the last step. Latents drawn anew count as having fired then: their time starts afresh.
  std::int64_t rows_seen_ = 0;
};

}  // namespace saffron::plugins
