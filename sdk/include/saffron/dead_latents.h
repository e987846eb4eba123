#pragma once

#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What to do about latents that no longer fire, for any SAE with a linear encoder and decoder:
//
//   a = rows W_enc^T + b_enc      xhat = f W_dec + ...      e = target - xhat
//
// A latent is dead when it has not fired in the last `dead_after` rows.
//
//   none
//   auxk      Gao et al. 2024: e is held fixed; ehat = decoding, without b_dec, of the aux_k largest
//             ReLU(a) among dead latents of each row;  term = aux_coef * s * mean_b ||e - ehat||^2
//               s = Var(target) / Var(e)  "relative": what two variance-normalised losses amount to
//               s = 1                     "raw"
//               s = 1 / Var(e)            "residual_variance": as dictionary_learning
//               aux_in_proportion: times min(1, dead latents / aux_k) besides (SAELens, sparsify)
//               aux_rectified = false: ehat decodes the aux_k largest a as they are (SAELens)
//             Where a step shows levels of nested dictionaries, each has a term of its own: its dead
//             latents, the error of its reconstruction; the terms are added.
//             where Var(y) = mean_b ||y_b - mean y||^2, held fixed. It is the dead latents alone
//             that ehat trains, in the decoder and in the encoder.
//   resample  Bricken et al. 2023: each time that `resample_every` rows have passed, every dead
//             latent gets a row of the batch drawn with probability ~ (||e_b||^2)^2:  its decoder
//             becomes that row's target / its norm, its encoder the direction of the row itself with
//             resample_scale times the mean norm of the living encoders (of all where none lives), its
//             b_enc 0; its optimiser moments start afresh. At most resample_times times; 0: no limit.
//             (Row and target are one where the SAE predicts what it reads.) dictionary_learning's
//             StandardTrainer has
//               resample_odds = "error_norm": probability ~ ||e_b||
//               resample_centred = false: row and target are as they were read, b_dec not taken off
//               resample_unit = false: the encoder becomes the row itself, not its direction, times
//               resample_scale times that mean norm
//               resample_distinct: no row is drawn twice; the first dead latents get what rows there are
//             and takes e after the step that is over, here it is what that step saw.
//   ghost     Jermyn, Templeton 2024 ("ghost grads"): g = exp(a_dead) W_dec_dead, scaled row by row to
//             half the norm of e;  term = mean_b ||e - g||^2, scaled to the size of the squared error.
//             e and both scales are held fixed. (A row's largest a is taken off all of them first, which
//             the scale undoes.)

namespace saffron::inline sdk_v1 {

struct DeadLatentOptions {
  enum class Method : std::uint8_t { none, auxk, resample, ghost };
  Method dead = Method::none;
  std::int64_t dead_after = 10'000'000;
  double aux_coef = 1.0 / 32;
  std::int64_t aux_k = 256;
  std::string aux_scale = "relative";
  bool aux_in_proportion = false;
  bool aux_rectified = true;
  std::int64_t resample_every = 10'000'000;
  double resample_scale = 0.2;
  std::int64_t resample_times = 0;
  std::string resample_odds = "squared_loss";
  bool resample_centred = true;
  bool resample_unit = true;
  bool resample_distinct = false;

  [[nodiscard]] static SAFFRON_EXPORT Schema<DeadLatentOptions> schema();
};

class SAFFRON_EXPORT DeadLatents {
 public:
  // The SAE's tensors that a step reads. `names` are those of its parameters.
  struct Weights {
    at::Tensor W_enc, b_enc, W_dec;  // [F, d_in], [F], [F, d_out]
    std::string W_enc_name, b_enc_name, W_dec_name;
  };

  explicit DeadLatents(const DeadLatentOptions& options) : options_(options) {}

  [[nodiscard]] bool resamples() const {
    return options_.dead == DeadLatentOptions::Method::resample;
  }
  void declare(SaeSpec& spec) const;  // adds the buffer "last_fired"
  void bind(const Tensors& buffers);

  // Whether a step after so many rows may look at the error; else e may be left undefined there.
  [[nodiscard]] bool needs_error(std::int64_t rows_seen) const {
    return resamples() ||
           (options_.dead != DeadLatentOptions::Method::none && rows_seen > options_.dead_after);
  }

  // bool [F]
  [[nodiscard]] at::Tensor dead(std::int64_t rows_seen) const;

  // The latents below `end`, and not below the end before, explain e [B, d_out].
  struct Level {
    std::int64_t end;
    at::Tensor e;
  };
  // What a step shows:  rows [B, d_in] are what W_enc multiplies; target [B, d_out] and its error e, which
  // is to be explained, are in the space of the loss, in which f W_dec counts times row_scale [B, 1]
  // (undefined: 1). Levels are for auxk; none: all latents explain e. The offsets are for resample: what
  // b_dec took from rows and target; undefined: nothing.
  struct Step {
    at::Tensor rows, target, e, row_scale;
    std::vector<Level> levels = {};
    at::Tensor rows_offset = {}, target_offset = {};
  };
  // The term of this step, if there is one, appended to forward.terms.
  void forward(const SaeInput& input, const Weights& weights, const Step& step, Forward& forward);
  // Its gradients. Returns d term / d b_enc [F] for the caller's bias paths; undefined without one.
  [[nodiscard]] at::Tensor backward(const Weights& weights, const at::Tensor& rows,
                                    Gradients& gradients) const;
  // Counts what fired; with `resample` draws dead latents anew and returns them (int64 [n]), to be
  // forgotten by the optimiser; else undefined.
  at::Tensor after_step(const SaeInput& input, const Codes& codes, const Weights& weights,
                        const Step& step, Random random);
  // These latents (all when undefined) count as having fired now.
  void forget(const at::Tensor& latents);

 private:
  // How some dead latents (int64 [n]) explain an error in a step.
  struct Part {
    at::Tensor latents;
    Codes codes;          // over those n alone
    at::Tensor upstream;  // d loss / d ehat [B, d_out]
    at::Tensor miss;      // mean_b ||e - ehat||^2
    double weight = 0;    // of it in the loss
  };
  void auxk(const SaeInput& input, const Weights& weights, const Step& step, Forward& forward);
  // Of the latents from `begin` to the level's end; nothing where none is dead or all is explained.
  [[nodiscard]] std::optional<Part> auxk_part(const SaeInput& input, const Weights& weights,
                                              const Step& step, std::int64_t begin,
                                              const Level& level) const;
  [[nodiscard]] at::Tensor backward(const Part& part, const Weights& weights,
                                    const at::Tensor& rows, Gradients& gradients) const;
  void ghost(const SaeInput& input, const Weights& weights, const Step& step, Forward& forward);
  // Rows of a batch by their odds [B] (float64) for so many latents, int64 [n]; n = 0 where none has any.
  [[nodiscard]] at::Tensor drawn_rows(const at::Tensor& odds, std::int64_t latents,
                                      const Random& random) const;
  at::Tensor resample(const at::Tensor& dead_ones, const Weights& weights, const Step& step,
                      const Random& random);

  DeadLatentOptions options_;
  at::Tensor last_fired_;
  std::int64_t rows_seen_ = 0;  // after the last step
  std::vector<Part> parts_;     // from forward to backward of one step
};

}  // namespace saffron::inline sdk_v1
