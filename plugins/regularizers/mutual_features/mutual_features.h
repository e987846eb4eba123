#pragma once

#include <saffron/properties.h>
#include <saffron/regularizer.h>
#include <saffron/schema.h>
#include <saffron/state.h>

#include <map>
#include <optional>
#include <utility>

namespace saffron::plugins {

// Mutual feature regularization.
//
//   R = w(t) * mean over pairs a < b of (1 - M(a, b)),      in [0, 2]
//   M(a, b) = 1/H sum_i < N(W_a)_i, N(W_b)_pi(i) >
//   w(t) = (1 + cos(pi (T - t) / T)) / 2 for t < T, then 1;  t = the step, from 0;  T = ramp
//
// W [H, d] are the decoders, N scales rows to norm 1, pi is the one-to-one assignment that
// maximises the sum (held fixed in the gradient; solved anew every `assign_every` steps). Where the
// dictionaries differ in size H is the smaller one's. Gradients reach both members of a pair.
// The published loss averages squared errors over dimensions; beside a sum over them the
// coefficient of equal strength is d times the published beta.
//
// Re-initialisation (off by default):  r_j = share of the batch in which latent j fires,
//   score = mean_j (|r_j - r0| / r0)^3;  score > reinit_threshold: the whole SAE is drawn anew.
// A latent that never fires adds at most 1, so this catches codes that collapse onto few latents,
// not dead ones. The published r0 is 32 / 512 for every k and H; ours is k / H unless given.
class MutualFeatures final : public Regularizer,
                             public ChecksSaes,
                             public DeclaresPenalty,
                             public Stateful {
 public:
  struct Options {
    std::int64_t ramp = 100;
    std::int64_t assign_every = 1;
    bool reinitialise = false;
    double reinit_threshold = 2.5;
    std::optional<double> target_rate = {};
  };
  static Schema<Options> schema();

  explicit MutualFeatures(const Options& options) : options_(options) {}

  // Several SAEs, with decoders of one width; for `reinitialise` also k or target_rate.
  void check(const std::vector<const TrainedSae*>& saes) const override;
  [[nodiscard]] at::Tensor penalty(const TrainStep& step) override;

  [[nodiscard]] PenaltyProperties penalty_properties() const override {
    return {.non_negative = true,
            .scale_degree = 0,
            .permutation_invariant = true,
            .low = 0,
            .high = 2};
  }

  [[nodiscard]] State save() const override;
  void load(const State& state) override;

  [[nodiscard]] static double ramp_weight(std::int64_t step, std::int64_t ramp);
  // rates [H]: share of rows in which each latent fires.
  [[nodiscard]] static double reinit_score(const at::Tensor& rates, double target_rate);

 private:
  using Pair = std::pair<std::int64_t, std::int64_t>;
  // 1 - M(a, b); rows of both are unit rows.
  at::Tensor disagreement(const Pair& pair, const at::Tensor& a, const at::Tensor& b, bool solve);
  // Error (invalid): equal decoders agree from the start, so the penalty would do nothing. Where
  // sizes differ the larger one's first rows count: one seed draws the same rows for both.
  static void refuse_equal_starts(const TrainStep& step);
  void request_reinitialisations(const TrainStep& step);
  [[nodiscard]] double target_rate(const TrainedSae& sae) const;

  Options options_;
  // Of each pair: the larger dictionary's row for each row of the smaller (the first when equal).
  std::map<Pair, at::Tensor> assignments_;
};

}  // namespace saffron::plugins
