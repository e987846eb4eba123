#pragma once

#include <saffron/batch_topk.h>

#include <cstdint>
#include <vector>

namespace saffron::plugins {

// Matryoshka sparse autoencoder: nested dictionaries, each of which must reconstruct by itself.
// (Bussmann et al. 2025, "Learning Multi-Level Features with Matryoshka Sparse Autoencoders";
// Nabeshima 2024, matryoshka-saes, for random prefixes)
//
//   f by BatchTopK over all latents (saffron/batch_topk.h); by_contribution: of a_i ||W_dec[i]|| (SAELens)
//   activation = relu  f = ReLU(a), for a sparsity penalty beside it (matryoshka-saes and saev: L1)
//   xhat_j = f[:, :F_j] W_dec[:F_j] + b_dec,   F_1 < ... < F_m = F,    xhat = xhat_m
//   loss   = objective(xhat) + sum_{j < m} w_j mean_b ||x - xhat_j||^2   (+ the terms for dead latents)
//
//   groups           F_1 .. F_m of every step; "fixed"
//   prefix = random  F_1 .. F_{m-1} are drawn anew each step from a Pareto law on [1, F],
//                    P(width > t) ~ t^-pareto, rounded down, as in matryoshka-saes; m = levels
//   zero_level       b_dec alone is a level too (bartbussmann/matryoshka_sae)
//   level_weight     w_j; 1: the plain sum of SAELens. dictionary_learning has the mean over levels, and
//                    takes it twice: the same sum divided by m^2, which is another balance beside the
//                    terms for dead latents, penalties and clipping.
//   level_weights    w_j of each level below F instead, in their order (dictionary_learning: group_weights,
//                    relative to the last one's)
//   aux_by_level     auxk: dead latents between F_{j-1} and F_j explain x - xhat_j instead of x - xhat
//                    (SAELens: use_matryoshka_aux_loss; aux_k holds for each level)
//
// Sparse throughout: entries of a row are ascending in latents, so that each level of a row is one run
// of them, and one sparse product gives all levels' parts.
class Matryoshka final : public DictionarySae {
 public:
  enum class Prefix : std::uint8_t { fixed, random };
  enum class Activation : std::uint8_t { batch_topk, relu };
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead{.dead = DeadLatentOptions::Method::auxk};
    Activation activation = Activation::batch_topk;
    BatchTopKOptions selection;
    bool by_contribution = false;
    std::vector<std::int64_t> groups;
    Prefix prefix = Prefix::fixed;
    std::int64_t levels = 10;
    double pareto = 0.5;
    bool zero_level = false;
    double level_weight = 1;
    std::vector<double> level_weights;
    bool aux_by_level = false;
  };
  static Schema<Options> schema();

  explicit Matryoshka(const Options& options);

 protected:
  void declare_own(SaeSpec& spec) const override;
  void bind_own(const Tensors&, const Tensors& buffers) override;
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override;
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const SaeInput& input) override;
  [[nodiscard]] at::Tensor step_decode(const Codes& codes) override;
  void own_terms(const SaeInput& input, Forward& forward) override;
  [[nodiscard]] std::vector<DeadLatents::Level> dead_levels() const override;
  [[nodiscard]] DeadLatents::Choice dead_choice() const override { return {.scale = scale()}; }
  at::Tensor decoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& g,
                              Gradients& gradients) override;
  void own_after_step(const SaeInput&, const Codes&) override;
  void canonical_own(CanonicalSae& out) const override;

 private:
  [[nodiscard]] std::vector<std::int64_t> widths(const SaeInput& input) const;
  [[nodiscard]] std::vector<double> weights() const;  // of the levels below F
  [[nodiscard]] bool selects() const { return options_.activation == Activation::batch_topk; }
  [[nodiscard]] at::Tensor scale() const {
    return options_.by_contribution ? contribution_scale() : at::Tensor();
  }

  Options options_;
  BatchTopKSelection selection_;
  // From forward to backward of one step.
  std::vector<std::int64_t> widths_;  // F_1 .. F_m
  Codes by_level_;                    // the same entries as [B m] rows: row b, level j at b m + j
  at::Tensor levels_;                 // [B, m, d] their parts, then errors, then gradients
};

}  // namespace saffron::plugins
