#pragma once

#include <saffron/dictionary_sae.h>
#include <saffron/jump_threshold.h>
#include <saffron/properties.h>
#include <saffron/sparsity_controller.h>
#include <saffron/weighted_penalty.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// JumpReLU sparse autoencoder.
// (Rajamanoharan et al. 2024, "Jumping Ahead: Improving Reconstruction Fidelity with JumpReLU Sparse
// Autoencoders"; Anthropic, January 2025 update, for tanh and the pre-activation loss; Lieberum et al. 2024)
//
//   f = a H(a - theta)    jump_threshold.h has H, theta and their pseudo-gradients
//
//   sparsity = none       no term; a regularizer beside the SAE may act on f
//              l0         coef L0,                 L0 = mean_b sum_i H(a_bi - theta_i)
//              target_l0  coef (L0 / target_l0 - 1)^2             (dictionary_learning)
//              quadratic  coef 2 / target_l0 mean_b (L0_b - target_l0)^2,   L0_b = sum_i H(a_bi - theta_i)
//                         (SAELens 6.54, after Gemma Scope 2)
//              tanh       coef mean_b sum_i tanh(tanh_scale n_i f_bi),   n_i = ||W_dec[i]||
//   coef rises evenly from 0 over the first `warmup` of the steps; with l0 and tanh a target_l0 steers it
//   (sparsity_controller.h).
//   preact_coef           + preact_coef mean_b sum over dead i of ReLU(theta_i - a_bi) n_i; dead: not fired
//                         in dead_after rows. Reads every pre-activation of dead latents, and them only.
//   preact_over = all     the same over all latents, dead or not, as in Anthropic's update (SAELens: dead)
class JumpRelu final : public DictionarySae, public PseudoGradients {
 public:
  enum class Sparsity : std::uint8_t { none, l0, target_l0, quadratic, tanh };
  enum class PreactOver : std::uint8_t { dead, all };
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead = {};
    JumpOptions jump = {};
    Sparsity sparsity = Sparsity::l0;
    double coef = 1e-3;
    double warmup = 0.1;
    SparsityControlOptions control = {};  // and the target of the quadratic terms
    double tanh_scale = 4;
    double preact_coef = 0;
    PreactOver preact_over = PreactOver::dead;

    [[nodiscard]] bool is_quadratic() const {
      return sparsity == Sparsity::target_l0 || sparsity == Sparsity::quadratic;
    }
  };
  static Schema<Options> schema();

  explicit JumpRelu(const Options& options)
      : DictionarySae(options.dictionary, options.dead),
        options_(options),
        jump_(options.jump),
        penalty_({.penalty = WeightedPenaltyOptions::Penalty::tanh,
                  .tanh_scale = options.tanh_scale,
                  .norm = DecoderNorm::concatenated}),
        control_(options.is_quadratic() ? SparsityControlOptions() : options.control) {}

  [[nodiscard]] std::vector<std::string> pseudo_gradients() const override {
    return jump_.pseudo_gradients(encoder_parameters());
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
  [[nodiscard]] double coef(const SaeInput& input) const;
  [[nodiscard]] bool counts_steps() const {
    return options_.sparsity == Sparsity::l0 || options_.is_quadratic();
  }
  // The sparsity term of l0_, and B times its derivative in each row's L0: [B], or [1] where all are equal.
  struct Counted {
    at::Tensor value, slopes;
  };
  [[nodiscard]] Counted counted() const;
  void inactive_term(const SaeInput& input, Forward& forward);
  // d term / d theta [F]; undefined without a term.
  at::Tensor inactive_backward(Gradients& gradients) const;

  Options options_;
  JumpThreshold jump_;
  WeightedPenalty penalty_;  // of sparsity = tanh
  SparsityController control_;
  at::Tensor last_fired_;
  at::Tensor l0_;  // of this step, float64: quadratic: of each row, [B]; else their mean, [1]
  // Dead latents (int64 [n]) and 1[a < theta] [B, n] of the pre-activation loss.
  at::Tensor dead_, below_;
};

}  // namespace saffron::plugins
