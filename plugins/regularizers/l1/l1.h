#pragma once

#include <saffron/properties.h>
#include <saffron/regularizer.h>

namespace saffron::plugins {

// L1 penalty on the codes f [B, F], summed over the SAEs named:
//
//   R = mean_b sum_i n_i |f_bi| / s      s = 1  sum_per_row        (the canonical convention)
//                                        s = F  mean_over_latents  (mean over all elements)
//                                        s = d  divided_by_width   (d: width of the first target)
//
//   n_i = 1, or, weighted, the norm of latent i's decoder row, so that shrinking codes while
//   growing decoders gains nothing (differentiable in the decoder too).
//
// Canonical coefficient: coef / s.
class L1 final : public Regularizer, public CanonicalCoefficient, public DeclaresPenalty {
 public:
  enum class Convention : std::uint8_t { sum_per_row, mean_over_latents, divided_by_width };
  struct Options {
    Convention convention = Convention::sum_per_row;
    bool weighted = false;
  };
  static Schema<Options> schema();

  explicit L1(const Options& options) : options_(options) {}

  [[nodiscard]] at::Tensor penalty(const TrainStep& step) override;
  [[nodiscard]] double canonical_coefficient(double coef, const TrainedSae& sae) const override;
  [[nodiscard]] PenaltyProperties penalty_properties() const override {
    return {.non_negative = true,
            .scale_degree = 1,
            .permutation_invariant = true,
            .low = std::nullopt,
            .high = std::nullopt};
  }

 private:
  [[nodiscard]] double divisor(const TrainedSae& sae) const;

  Options options_;
};

}  // namespace saffron::plugins
