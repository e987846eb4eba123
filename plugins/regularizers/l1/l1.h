#pragma once

#include <saffron/code_penalty.h>
#include <saffron/properties.h>

namespace saffron::plugins {

// L1 penalty on the codes:  P(u_b) = sum_i |u_bi|,  weighted, scaled and steered as code_penalty.h says.
//
// Canonical coefficient: coef / s.
class L1 final : public CodePenalty, public CanonicalCoefficient, public DeclaresPenalty {
 public:
  using Convention = CodePenaltyOptions::Convention;
  struct Options {
    CodePenaltyOptions scale = {};
    SparsityControlOptions control = {};
  };
  static Schema<Options> schema();

  explicit L1(const Options& options) : CodePenalty(options.scale, options.control) {}

  [[nodiscard]] double canonical_coefficient(double coef, const TrainedSae& sae) const override {
    return coef / scale().divisor(sae);
  }
  [[nodiscard]] PenaltyProperties penalty_properties() const override {
    return {.non_negative = true,
            .scale_degree = 1,
            .permutation_invariant = true,
            .low = std::nullopt,
            .high = std::nullopt};
  }

 protected:
  [[nodiscard]] at::Tensor of_codes(const Codes& u, const TrainStep& step, std::int64_t i) override;
};

}  // namespace saffron::plugins
