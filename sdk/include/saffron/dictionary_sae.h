#pragma once

#include <saffron/dead_latents.h>
#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

// The linear halves that most architectures share, written once: parameters, initialisation,
// constraints, biases, sparse gradients, dead latents, export. An architecture says how codes come
// from rows, and what it adds to the loss.
//
//   rows = x - b_dec                     (pre_bias, where the SAE predicts what it reads; else x)
//   a    = rows W_enc^T + b_enc          W_enc [F, d_in]
//   f    = the architecture's codes of a
//   xhat = f W_dec + b_dec + x W_skip^T  W_dec [F, d_out], W_skip [d_out, d_in] with `skip`
//
//   standardise: x is first shifted and scaled, each row by its own mean and standard deviation over d
//   (denominator d, + 1e-8), and xhat is scaled and shifted back. b_dec is a standardised row.
//
//   frozen: the baselines that a trained SAE must beat (Korznikov et al. 2026, arXiv 2602.14111). "encoder"
//   and "decoder" keep W_enc or W_dec as it starts (tied: "decoder" keeps both); biases are trained.
//   "soft_decoder": after each step every row w of W_dec that has left the cone about its start w0,
//   cos(w, w0) < decoder_cosine = tau, moves to the nearest row of its norm in it,
//
//     w <- ||w|| (tau w0 + sqrt(1 - tau^2) u)     u: the part of w across w0, both of norm 1
//
//   The directions w0 are the buffer "W_dec_start", which checkpoints keep.
//
// One stream in, one out; with another stream to predict the SAE is a transcoder (Dunefsky et al. 2024),
// with `skip` a skip transcoder (Paulo et al. 2025). Codes are topk or csr, weight gradients factored:
// nothing costs O(B d F) but the encoder's product.
//
// Several streams make it a crosscoder (Lindsey et al. 2024): rows of the streams read stand side by
// side in x, in the order of the recipe, those of the streams predicted in xhat, and so do the columns
// of W_enc, W_dec and b_dec. Norms of decoder rows are then those over all streams.

namespace saffron::inline sdk_v1 {

struct DictionaryOptions {
  std::int64_t width = 4096;
  bool tied = false;
  bool unit_decoder = true;
  double decoder_norm = 1;
  bool encoder_bias = true;
  bool decoder_bias = true;
  bool pre_bias = true;
  bool skip = false;
  bool standardise = false;
  std::string W_dec_init = "random";
  std::string W_enc_init = "decoder";
  std::string b_enc_init = "zero";
  std::string b_dec_init = "geometric_median";
  std::string frozen = "none";
  double decoder_cosine = 0.8;

  [[nodiscard]] static SAFFRON_EXPORT Schema<DictionaryOptions> schema();
};

class SAFFRON_EXPORT DictionarySae : public Sae,
                                     public Reinitialisable,
                                     public Exportable,
                                     public Resampling {
 public:
  DictionarySae(const DictionaryOptions& dictionary, const DeadLatentOptions& dead);
  ~DictionarySae() override;

  SaeSpec declare(const SaeShape& shape) final;
  void bind(const Tensors& parameters, const Tensors& buffers) final;
  void initialise(const InitInput& init) final;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const final;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const final;
  [[nodiscard]] Forward forward(const SaeInput& input) final;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) final;
  void after_step(const SaeInput& input, const Forward& forward) final;
  void reinitialise(const at::Tensor& latents, Random random) final;
  at::Tensor take_resampled() final;
  [[nodiscard]] CanonicalSae canonical() const final;

 protected:
  // ---- what an architecture says ------------------------------------------------------------------

  // Error (invalid) for streams that it cannot take; asked before the base says what it cannot. By default
  // none.
  virtual void check_streams() const;
  // Layout, max_active, and parameters and buffers of its own, appended.
  virtual void declare_own(SaeSpec& spec) const = 0;
  virtual void bind_own(const Tensors& parameters, const Tensors& buffers);
  // Of its own parameters. After the weights; also for latents drawn anew (int64 [n]; undefined: all).
  virtual void initialise_own(const at::Tensor& latents);
  // Codes of rows [B, d_in], as an encoder of trained weights gives them.
  [[nodiscard]] virtual Codes codes_of(const at::Tensor& rows) const = 0;
  // The same in a training step, where it is something else.
  [[nodiscard]] virtual Codes step_codes(const at::Tensor& rows, const SaeInput& input);
  // f W_dec + b_dec of a step.
  [[nodiscard]] virtual at::Tensor step_decode(const Codes& codes);
  // Its own terms of the loss, appended to forward.terms.
  virtual void own_terms(const SaeInput& input, Forward& forward);
  // After own_terms, of the same step: which dead latents explain which errors, in decoder space, where
  // it is not all the whole's (saffron/dead_latents.h).
  [[nodiscard]] virtual std::vector<DeadLatents::Level> dead_levels() const;
  // How its latents compete, in that step, where it is not by a; dead ones do so too.
  [[nodiscard]] virtual DeadLatents::Choice dead_choice() const;
  // g = d loss / d (f W_dec + b_dec), undefined when nothing depends on it: the decoder's gradients.
  // Returns d loss / d f on the entries of codes, or undefined.
  virtual at::Tensor decoder_backward(const SaeInput& input, const Codes& codes,
                                      const at::Tensor& g, Gradients& gradients);
  // d loss / d a on the entries of codes, from d loss / d f (undefined: 0); gradients of its own
  // parameters too. By default what ReLU passes. Undefined: 0.
  virtual at::Tensor encoder_backward(const SaeInput& input, const Codes& codes,
                                      const at::Tensor& df, Gradients& gradients);
  virtual void own_after_step(const SaeInput& input, const Codes& codes);
  // Activation and what belongs to it.
  virtual void canonical_own(CanonicalSae& out) const = 0;

  // ---- what it may use ---------------------------------------------------------------------------

  [[nodiscard]] const DictionaryOptions& dictionary() const { return dictionary_; }
  [[nodiscard]] std::int64_t latents() const { return dictionary_.width; }
  // Whether it predicts the streams that it reads.
  [[nodiscard]] bool autoencoder() const { return autoencoder_; }
  // Whether rows are x - b_dec.
  [[nodiscard]] bool subtracts_b_dec() const {
    return autoencoder_ && dictionary_.decoder_bias && dictionary_.pre_bias;
  }
  // How many streams it reads or predicts, whichever are more.
  [[nodiscard]] std::size_t streams() const {
    return std::max(read_widths_.size(), predicted_widths_.size());
  }
  // Widths of the streams predicted, side by side in W_dec's columns.
  [[nodiscard]] const std::vector<std::int64_t>& predicted_widths() const {
    return predicted_widths_;
  }
  // Names of the parameters that pre-activations depend on.
  [[nodiscard]] std::vector<std::string> encoder_parameters() const;
  [[nodiscard]] const at::Tensor& W_enc() const { return dictionary_.tied ? W_dec_ : W_enc_; }
  [[nodiscard]] const at::Tensor& b_enc() const { return b_enc_; }
  [[nodiscard]] const at::Tensor& W_dec() const { return W_dec_; }
  [[nodiscard]] const at::Tensor& b_dec() const { return b_dec_; }
  [[nodiscard]] const at::Tensor& step_target() const { return target_; }  // in decoder space
  [[nodiscard]] const at::Tensor& step_rows() const { return step_.rows; }
  // [B, 1] by which what is decoded counts in the loss, whose rows are as they were read; undefined: 1.
  [[nodiscard]] const at::Tensor& step_row_scale() const { return step_.scale; }
  // The squared error of another reconstruction [B, d_out], in decoder space, in the space of the loss.
  struct OwnError {
    at::Tensor value;     // mean_b || . ||^2
    at::Tensor upstream;  // d (weight value) / d decoded
  };
  // It is overwritten.
  [[nodiscard]] OwnError own_error(at::Tensor decoded, double weight) const;
  // ||W_dec[i]||, held above 0: what a_i is multiplied by where latents compete by what they contribute.
  [[nodiscard]] at::Tensor contribution_scale() const;
  // The gradients that d loss / d a on a support causes in W_enc, b_enc and b_dec.
  void linear_backward(const Codes& support, const at::Tensor& da, Gradients& gradients) const;
  // The same for all rows of some latents (int64 [n]): da [B, n].
  void dense_backward(const at::Tensor& latents, const at::Tensor& da, Gradients& gradients) const;

 private:
  struct Prepared {
    at::Tensor rows, scale, shift;
  };
  [[nodiscard]] Prepared prepare(const at::Tensor& x) const;
  // d xhat / d (f W_dec + b_dec) is the same for all columns of a row: errors and gradients from one
  // space to the other, of this step.
  [[nodiscard]] at::Tensor in_decoder_space(const at::Tensor& error) const;
  [[nodiscard]] at::Tensor in_loss_space(const at::Tensor& decoded) const;
  [[nodiscard]] DeadLatents::Weights weights() const;
  void draw_decoder(const Random& random, at::Tensor W) const;
  void size_parts(at::Tensor W) const;
  [[nodiscard]] at::Tensor fresh_decoder(const Random& random) const;
  void bias_backward(const at::Tensor& by_latent, Gradients& gradients) const;
  [[nodiscard]] bool softly_frozen() const { return dictionary_.frozen == "soft_decoder"; }
  // Notes where decoder rows (int64 [n]; undefined: all) start, and holds all near there.
  void note_start(const at::Tensor& latents);
  void hold_near_start();

  DictionaryOptions dictionary_;
  DeadLatents dead_;
  bool autoencoder_ = true;
  std::vector<std::int64_t> read_widths_, predicted_widths_;  // of the streams
  std::int64_t d_in_ = 0, d_out_ = 0;                         // their sums
  at::Tensor W_enc_, b_enc_, W_dec_, b_dec_, W_skip_, W_dec_start_;
  // From forward to after_step of one step.
  Prepared step_;
  DeadLatents::Step shown_;
  at::Tensor target_, resampled_;
};

// Widths are numbered by int32 codes.
inline constexpr double kMostLatents = std::numeric_limits<std::int32_t>::max();

}  // namespace saffron::inline sdk_v1
