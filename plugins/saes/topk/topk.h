#pragma once

#include <saffron/dictionary_sae.h>
#include <saffron/k_schedule.h>
#include <saffron/ops.h>

#include <cstdint>

namespace saffron::plugins {

// TopK sparse autoencoder: the k largest pre-activations of each row.
// (Gao et al. 2024, "Scaling and evaluating sparse autoencoders"; openai/sparse_autoencoder)
//
//   keep = rectified   f = ReLU(a) where a is one of the k largest of its row
//          magnitude   f = a where |a| is one of the k largest (AbsTopK; Zhu et al. 2025)
//
//   by_contribution    the k largest a_i ||W_dec[i]|| are kept instead (SAELens); f stays a
//
//   multi_k_coef       + multi_k_coef mean_b ||x - xhat'||^2, xhat' from the multi_k_factor k largest
//                      (Multi-TopK; published: 1/8 and 4), so that codes stay useful at other k
//
// saffron/dictionary_sae.h has the linear parts, dead_latents.h what happens to dead latents (AuxK by
// default), k_schedule.h how k changes.
class TopK final : public DictionarySae {
 public:
  enum class Keep : std::uint8_t { rectified, magnitude };
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead{.dead = DeadLatentOptions::Method::auxk};
    KOptions k;
    Keep keep = Keep::rectified;
    bool by_contribution = false;
    double multi_k_coef = 0;
    std::int64_t multi_k_factor = 4;
  };
  static Schema<Options> schema();

  explicit TopK(const Options& options)
      : DictionarySae(options.dictionary, options.dead), options_(options) {}

 protected:
  void declare_own(SaeSpec& spec) const override;
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override;
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const SaeInput& input) override;
  void own_terms(const SaeInput& input, Forward& forward) override;
  [[nodiscard]] DeadLatents::Choice dead_choice() const override;
  at::Tensor decoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& g,
                              Gradients& gradients) override;
  at::Tensor encoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& df,
                              Gradients& gradients) override;
  void canonical_own(CanonicalSae& out) const override;

 private:
  [[nodiscard]] Codes largest(const at::Tensor& rows, std::int64_t k) const;
  [[nodiscard]] at::Tensor scale() const {
    return options_.by_contribution ? contribution_scale() : at::Tensor();
  }
  [[nodiscard]] at::Tensor passed(const Codes& codes, const at::Tensor& df) const;

  Options options_;
  // Multi-TopK, from forward to backward of one step: the larger support, d term / d xhat'.
  Codes more_;
  at::Tensor more_upstream_;
};

}  // namespace saffron::plugins
