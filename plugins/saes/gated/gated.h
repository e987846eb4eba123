#pragma once

#include <saffron/dictionary_sae.h>
#include <saffron/properties.h>
#include <saffron/sparsity_controller.h>
#include <saffron/weighted_penalty.h>

#include <string>
#include <vector>

namespace saffron::plugins {

// Gated sparse autoencoder: one path says which latents are active, the other how much.
// (Rajamanoharan et al. 2024, "Improving Dictionary Learning with Gated Sparse Autoencoders")
//
//   pi = rows W_enc^T + b_enc                    b_enc is the gate's bias
//   f  = H(pi) ReLU(rows (e^r_mag W_enc)^T + b_mag)
//
//   loss = objective + coef mean_b sum_i ReLU(pi_bi) n_i + mean_b ||x - (ReLU(pi) W_dec + b_dec)||^2
//
//   n_i = ||W_dec[i]||; coef rises evenly from 0 over the first `warmup` of the steps; a
//   target_l0 steers it (sparsity_controller.h).
//   detach_auxiliary: in the last term W_dec and b_dec are held fixed, as published and in
//   dictionary_learning; SAELens does not hold them.
class Gated final : public DictionarySae, public PseudoGradients {
 public:
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead = {};
    double coef = 0.1;
    double warmup = 0.1;
    SparsityControlOptions control = {};
    bool detach_auxiliary = true;
  };
  static Schema<Options> schema();

  explicit Gated(const Options& options)
      : DictionarySae(options.dictionary, options.dead),
        options_(options),
        control_(options.control) {}

  // What the auxiliary error holds fixed.
  [[nodiscard]] std::vector<std::string> pseudo_gradients() const override {
    return options_.detach_auxiliary ? std::vector<std::string>{"W_dec", "b_dec"}
                                     : std::vector<std::string>();
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
  // The magnitude before its ReLU on the entries of open gates.
  [[nodiscard]] at::Tensor magnitude(const Codes& gates) const;
  [[nodiscard]] double coef(const SaeInput& input) const;

  Options options_;
  SparsityController control_;
  WeightedPenalty penalty_{{.norm = DecoderNorm::concatenated}};  // l1 of the gates
  at::Tensor r_mag_, b_mag_;
  // From forward to backward of one step: open gates with values pi, and the auxiliary term's
  // d / d (ReLU(pi) W_dec + b_dec).
  Codes gates_;
  at::Tensor auxiliary_upstream_;
};

}  // namespace saffron::plugins
