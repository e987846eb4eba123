#pragma once

#include <saffron/dictionary_sae.h>
#include <saffron/properties.h>
#include <saffron/sparsity_controller.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// JumpReLU sparse autoencoder.
// (Rajamanoharan et al. 2024, "Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse
// Autoencoders"; Anthropic, January 2025 update, for tanh and the pre-activation loss; Lieberum et al. 2024)
//
//   f = a H(a - theta),  theta >= 0        rect(u) = 1 where |u| < 1/2, else 0,  u = (a - theta) / eps
//
//   Pseudo-gradients:  d f / d a = H(a - theta)    d f / d theta = -(theta / eps) rect(u)
//                      d H / d theta = -(1 / eps) rect(u)    d H / d a = 0
//
//   sparsity = none       no term; a regularizer beside the SAE may act on f
//              l0         coef L0,                 L0 = mean_b sum_i H(a_bi - theta_i)
//              target_l0  coef (L0 / target_l0 - 1)^2
//              tanh       coef mean_b sum_i tanh(tanh_scale n_i f_bi),   n_i = ||W_dec[i]||
//   coef rises evenly from 0 over the first `warmup` of the steps; with l0 and tanh a target_l0 steers it
//   (sparsity_controller.h).
//   preact_coef           + preact_coef mean_b sum over dead i of ReLU(theta_i - a_bi) n_i; dead: not fired
//                         in dead_after rows. Reads every pre-activation of dead latents, and them only.
//
//   log_threshold: log theta is trained, as published; else theta itself, held at or above 0. Adam moves
//   log theta by at most lr a step, so that a small theta hardly moves (a known trap).
class JumpRelu final : public DictionarySae, public PseudoGradients {
 public:
  enum class Sparsity : std::uint8_t { none, l0, target_l0, tanh };
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead;
    double threshold_init = 0.001;
    double bandwidth = 0.001;
    bool log_threshold = false;
    Sparsity sparsity = Sparsity::l0;
    double coef = 1e-3;
    double warmup = 0.1;
    SparsityControlOptions control = {};  // and the target of the quadratic term
    double tanh_scale = 4;
    double preact_coef = 0;
  };
  static Schema<Options> schema();

  explicit JumpRelu(const Options& options)
      : DictionarySae(options.dictionary, options.dead),
        options_(options),
        control_(options.sparsity == Sparsity::target_l0 ? SparsityControlOptions()
                                                         : options.control) {}

  [[nodiscard]] std::vector<std::string> pseudo_gradients() const override {
    return {options_.log_threshold ? "log_threshold" : "threshold"};
  }

 protected:
  void declare_own(SaeSpec& spec) const override;
  void bind_own(const Tensors& parameters, const Tensors& buffers) override;
  void initialise_own(const at::Tensor& latents) override;
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override;
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const SaeInput& input) override;
  void own_terms(const SaeInput& input, Forward& forward) override;
  at::Tensor encoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& df,
                              Gradients& gradients) override;
  void own_after_step(const SaeInput& input, const Codes& codes) override;
  void canonical_own(CanonicalSae& out) const override;

 private:
  [[nodiscard]] at::Tensor theta() const;
  [[nodiscard]] double coef(const SaeInput& input) const;
  void inactive_term(const SaeInput& input, Forward& forward);
  void inactive_backward(const SaeInput& input, Gradients& gradients, at::Tensor& on_theta);

  Options options_;
  SparsityController control_;
  at::Tensor threshold_, last_fired_;  // theta or its logarithm [F]
  // From forward to backward of one step, by entry of the codes: a, its theta, H and rect.
  at::Tensor a_, theta_, on_, near_;
  double l0_ = 0;
  at::Tensor slopes_;  // tanh: d term / d (n f), by entry
  // Dead latents (int64 [n]) and 1[a < theta] [B, n] of the pre-activation loss.
  at::Tensor dead_, below_;
};

}  // namespace saffron::plugins
