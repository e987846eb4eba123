#pragma once

#include <saffron/regularizer.h>
#include <saffron/sparsity_controller.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace saffron::inline sdk_v1 {

// What penalties on the size of codes f [B, F] have in common, written once: L1, Lp.
//
//   R = sum over SAEs of  m / s  mean_b P(u_b)        u_bi = n_i f_bi
//
//   s = 1  sum_per_row        (the canonical convention)
//   s = F  mean_over_latents
//   s = d  divided_by_width   (d: width of the first target)
//
//   n_i = 1, or, weighted, the norm of latent i's decoder row, so that shrinking codes while growing
//   decoders gains nothing (differentiable in the decoder too).
//   m = 1, or, with target_l0, what steers L0 there (sparsity_controller.h), for each SAE on its own.
struct CodePenaltyOptions {
  enum class Convention : std::uint8_t { sum_per_row, mean_over_latents, divided_by_width };
  Convention convention = Convention::sum_per_row;
  bool weighted = false;

  [[nodiscard]] static SAFFRON_EXPORT Schema<CodePenaltyOptions> schema();
  [[nodiscard]] SAFFRON_EXPORT double divisor(const TrainedSae& sae) const;  // s
};

class SAFFRON_EXPORT CodePenalty : public Regularizer,
                                   public Stateful,
                                   public ChecksSaes,
                                   public ShowsReadings {
 public:
  CodePenalty(const CodePenaltyOptions& scale, const SparsityControlOptions& control)
      : scale_(scale), control_(control) {}
  ~CodePenalty() override;

  [[nodiscard]] at::Tensor penalty(const TrainStep& step) final;
  void check(const std::vector<const TrainedSae*>& saes) const final;
  [[nodiscard]] std::vector<std::pair<std::string, double>> readings(std::int64_t i) const override;
  // An override adds to these.
  [[nodiscard]] State save() const override;
  void load(const State& state) override;

 protected:
  // mean_b P(u_b) of SAE i, a scalar.
  [[nodiscard]] virtual at::Tensor of_codes(const Codes& u, const TrainStep& step,
                                            std::int64_t i) = 0;
  [[nodiscard]] const CodePenaltyOptions& scale() const { return scale_; }

 private:
  CodePenaltyOptions scale_;
  SparsityControlOptions control_;
  std::vector<SparsityController> controllers_;  // by SAE; made when a step names it
};

}  // namespace saffron::inline sdk_v1
