#pragma once

#include <saffron/batch_topk.h>
#include <saffron/dictionary_sae.h>
#include <saffron/jump_threshold.h>
#include <saffron/properties.h>
#include <saffron/weighted_penalty.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// Crosscoder: one dictionary for several streams.
// (Lindsey et al. 2024, "Sparse Crosscoders for Cross-Layer Features and Model Diffing"; defaults as
// ckkissane/crosscoder-model-diff-replication, for rows scaled to a mean norm of sqrt(d))
//
//   a = sum_m x_m W_enc[:, m]^T + b_enc        xhat_m = f W_dec[:, m] + b_dec[m]
//
//   W_enc [F, d_1 + ... + d_M], W_dec and b_dec: the columns of stream m stand behind those of the streams
//   before it, so that the sum over streams is one product (saffron/dictionary_sae.h).
//
//   loss = objective + coef mean_b sum_i phi(n_i f_bi)         weighted_penalty.h has phi, n and coef's rise
//
//   activation = relu        f = ReLU(a)
//                topk        the k largest n_i ReLU(a_i) of each row
//                batch_topk  the k B largest n_i ReLU(a_bi) of a batch of B rows (batch_topk.h; Minder et
//                            al. 2025)
//                jumprelu    f = a H(a - theta) (jump_threshold.h)
//
//   weigh_by = sum  n_i = sum_m ||W_dec[i, m]||: in the penalty, and in the choice of the largest,
//   AuxK's too (where codes are such a choice).
class Crosscoder final : public DictionarySae, public PseudoGradients {
 public:
  enum class Activation : std::uint8_t { relu, topk, batch_topk, jumprelu };
  struct Options {
    DictionaryOptions dictionary{
        .unit_decoder = false, .decoder_norm = 0.08, .pre_bias = false, .b_dec_init = "zero"};
    DeadLatentOptions dead = {};
    Activation activation = Activation::relu;
    WeightedPenaltyOptions penalty{.coef = 2};
    BatchTopKOptions selection;
    JumpOptions jump;
  };
  static Schema<Options> schema();

  explicit Crosscoder(const Options& options);

  [[nodiscard]] std::vector<std::string> pseudo_gradients() const override;

 protected:
  void check_streams() const override;
  void declare_own(SaeSpec& spec) const override;
  void bind_own(const Tensors& parameters, const Tensors& buffers) override;
  void initialise_own(const at::Tensor& latents) override;
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override;
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const SaeInput& input) override;
  void own_terms(const SaeInput& input, Forward& forward) override;
  [[nodiscard]] DeadLatents::Choice dead_choice() const override;
  at::Tensor encoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& df,
                              Gradients& gradients) override;
  void own_after_step(const SaeInput& input, const Codes& codes) override;
  void canonical_own(CanonicalSae& out) const override;

 private:
  [[nodiscard]] bool selects() const {
    return options_.activation == Activation::topk || options_.activation == Activation::batch_topk;
  }
  [[nodiscard]] at::Tensor scale() const;  // of the choice: n [F], or undefined

  Options options_;
  WeightedPenalty penalty_;
  BatchTopKSelection selection_;
  JumpThreshold jump_;
};

}  // namespace saffron::plugins
