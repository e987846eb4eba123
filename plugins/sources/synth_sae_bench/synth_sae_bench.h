#pragma once

#include "options.h"
#include "row_sampler.h"

#include <saffron/codes.h>
#include <saffron/context.h>
#include <saffron/source.h>

#include <memory>
#include <optional>
#include <vector>

namespace saffron::plugins {

// The synthetic model of SynthSAEBench (Chanin et al. 2026, arXiv 2602.14687) as
// decoderesearch/synth-sae-bench-experiments configures and sae-lens 6.37 (sae_lens.synthetic)
// builds and samples it, in version 2, in which parents scale their children. G features in R^d, i
// from 0.
//
// Made once, from model_seed alone:
//
//   p_i = min + (max - min) (r_i - r_{G-1}) / (r_0 - r_{G-1}),   r_i = (i + 1)^-exponent
//   q_i = p_i for roots and lone features; for a child c of P with siblings S
//   q_c = min(1, p_c / p_P (1 + sum_{j in S} p_j / p_P)),   without the last factor where the
//         children of P do not exclude each other (trees: options.h)
//   L [G, rank] ~ N(0, scale^2), rows shortened to |L_i|^2 <= .99;   s_i = sqrt(1 - |L_i|^2)
//   t_i = Phi^-1(1 - q_i)
//   mu_i from `first` to `last` in equal steps;   sigma_i = |N(deviation, deviation_spread^2)|
//   E [G, d]: random unit rows, turned away from each other (dictionary.h)
//   b [d]: a random direction, of norm `bias`
//
// A row, in this order:
//
//   1. eps [rank], eta [G] ~ N(0, 1):   i fires where eps . L_i + s_i eta_i > t_i
//   2. a_i = max(0, mu_i + sigma_i N(0, 1)) where i fires, else 0;   0 is not active
//   3. level by level from the roots, for each parent P and its children c:
//        a_P = 0:  a_c = 0
//        a_P > 0:  where they exclude each other, one of those with a_c > 0 is kept, each with the
//                  same probability, and the others become 0;   then a_c <- a_c a_P / mu_P
//   4. x = a E + b
//
// Compensation leaves the rates of children near p, not at it: it ignores that q is clipped, that
// children correlate with their parents, that step 2 cuts at 0, and how many rivals there are. The
// published runs made steps 1 and 4 under bfloat16 autocast; here all is float32.
//
// One stream, "x". Block i holds rows [i block_rows, (i + 1) block_rows); a row is a function of
// its number, the seed and model_seed. E is made when first needed: 16,384 x 768 with 100 steps
// takes about 40 seconds of one core.
class SynthSaeBench final : public Source, public Planted {
 public:
  using Options = synth::Options;
  static Schema<Options> schema() { return Options::schema(); }

  // Keeps the context, for progress while E is made.
  SynthSaeBench(const Options& options, const Context& context);

  [[nodiscard]] const std::vector<StreamInfo>& streams() const override { return streams_; }
  [[nodiscard]] const SourceInfo& info() override { return info_; }
  [[nodiscard]] ActivationRows block(std::int64_t index) override;

  void require_planted(std::int64_t stream) const override;
  [[nodiscard]] at::Tensor features(std::int64_t stream) const override;
  [[nodiscard]] at::Tensor coefficients(std::int64_t block) override;

  // The coefficients of a block as they are made: csr.
  [[nodiscard]] Codes codes(std::int64_t block) const;
  [[nodiscard]] const synth::FeatureModel& model() const { return sampler().model(); }
  [[nodiscard]] at::Tensor bias() const;  // b [d], float32

 private:
  [[nodiscard]] const at::Tensor& dictionary() const;
  [[nodiscard]] const synth::RowSampler& sampler() const;

  Options options_;
  const Context& context_;
  Random model_random_, row_random_;
  at::ScalarType dtype_;
  std::vector<StreamInfo> streams_;
  SourceInfo info_;
  // Made when first needed.
  mutable at::Tensor dictionary_;
  mutable std::unique_ptr<synth::RowSampler> sampler_;
};

}  // namespace saffron::plugins
