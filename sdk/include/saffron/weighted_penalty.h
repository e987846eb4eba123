#pragma once

#include <saffron/ops.h>
#include <saffron/sae.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

// Decoders of several targets: W_dec [F, d_1 + d_2 + ...], a target's columns side by side.
//
//   concatenated  n_i = ||W_dec[i]||                       the norm over all targets
//   sum           n_i = sum_m ||W_dec[i], columns of m||   the sum of the targets' norms
//   none          n_i = 1

namespace saffron::inline sdk_v1 {

enum class DecoderNorm : std::uint8_t { concatenated, sum, none };

// n [F]; undefined for none.
[[nodiscard]] SAFFRON_EXPORT at::Tensor decoder_norms(DecoderNorm norm, const at::Tensor& W_dec,
                                                      const std::vector<std::int64_t>& widths);
// The same, held above 0: what values are multiplied by before the largest of them are chosen.
[[nodiscard]] SAFFRON_EXPORT at::Tensor selection_scale(DecoderNorm norm, const at::Tensor& W_dec,
                                                        const std::vector<std::int64_t>& widths);
// encode_topk by scale_i a_i, whose codes are not multiplied; `scale` may be undefined: 1.
[[nodiscard]] SAFFRON_EXPORT Codes weighted_topk(const at::Tensor& rows, const at::Tensor& W_enc,
                                                 const at::Tensor& b_enc, std::int64_t k,
                                                 ops::Keep keep, const at::Tensor& scale);

// A sparsity penalty of an SAE's own on codes f >= 0, weighted by decoder norms so that shrinking codes
// while growing decoders gains nothing:
//
//   R = mean_b sum_i phi(n_i f_bi)       l1    phi(u) = u
//                                        tanh  phi(u) = tanh(tanh_scale u)
//
//   loss = ... + coef(t) R,    coef(t) = coef min(1, t / (warmup T)) in step t of T
//
// Differentiated in codes and decoder. Two targets that share a latent pay as much as two latents of one
// target each under `sum`, less under `concatenated` (Lindsey et al. 2024, "Sparse crosscoders").
struct WeightedPenaltyOptions {
  enum class Penalty : std::uint8_t { none, l1, tanh };
  Penalty penalty = Penalty::l1;
  double coef = 1;
  double warmup = 0.05;
  double tanh_scale = 4;
  DecoderNorm norm = DecoderNorm::sum;

  [[nodiscard]] static SAFFRON_EXPORT Schema<WeightedPenaltyOptions> schema();
  [[nodiscard]] SAFFRON_EXPORT double coef_at(const SaeInput& input) const;
};

class SAFFRON_EXPORT WeightedPenalty {
 public:
  explicit WeightedPenalty(const WeightedPenaltyOptions& options) : options_(options) {}

  [[nodiscard]] bool any() const {
    return options_.penalty != WeightedPenaltyOptions::Penalty::none;
  }
  [[nodiscard]] const char* name() const;  // of its term
  // R of this step.
  [[nodiscard]] at::Tensor forward(const Codes& codes, const at::Tensor& W_dec,
                                   const std::vector<std::int64_t>& widths);
  // coef d R / d f on the entries of codes; coef d R / d W_dec is added to `on_decoder`, null where the
  // rows' norms are held.
  [[nodiscard]] at::Tensor backward(double coef, const Codes& codes, const at::Tensor& W_dec,
                                    const std::vector<std::int64_t>& widths,
                                    Gradient* on_decoder) const;

 private:
  void decoder_backward(const at::Tensor& on_norms, const at::Tensor& W_dec,
                        const std::vector<std::int64_t>& widths, Gradient& gradient) const;

  WeightedPenaltyOptions options_;
  at::Tensor norms_, slopes_;  // n [F]; d R / d (n f), by entry
};

}  // namespace saffron::inline sdk_v1
