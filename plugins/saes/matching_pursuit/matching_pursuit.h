#pragma once

#include <saffron/dictionary_sae.h>
#include <saffron/pursuit.h>

#include <cstdint>

namespace saffron::plugins {

// Matching pursuit sparse autoencoder: latents are chosen one after another, each for what the earlier ones
// left of the row. (Costa et al. 2025, "From Flat to Hierarchical: Extracting Sparse Representations with
// Matching Pursuit")
//
//   rows = x - b_dec; one dictionary, W_enc = W_dec with rows of norm 1; no b_enc
//   method = mp    matching pursuit, f sums what each choice took (the published method; SAELens, overcomplete)
//            omp   orthogonal matching pursuit, f fits the row on all choices by least squares. overcomplete
//                  fits with f >= 0 by some iterations that no gradient passes; here the fit is exact, a
//                  coefficient may be negative, and the gradient is that of the fit
//
// saffron/pursuit.h says how latents are chosen, when a row ends, and what the gradients are: the loop's own,
// but for the choices. `tolerance` and `stop_at_repeat` are SAELens' defaults; overcomplete runs k choices
// whatever they are (tolerance = 0, stop_at_repeat = false), SynthSAEBench has tolerance = 0.
//
//   dropout   in training each latent is left out of a step's choice with this probability (overcomplete)
//
// Dead latents learn by AuxK from the shared code, f' = ReLU(rows W_dec^T); in SAELens the same term is given
// zeros and does nothing.
class MatchingPursuit final : public DictionarySae {
 public:
  enum class Method : std::uint8_t { mp, omp };
  struct Options {
    DictionaryOptions dictionary{.tied = true, .encoder_bias = false};
    DeadLatentOptions dead{.dead = DeadLatentOptions::Method::auxk};
    Method method = Method::mp;
    std::int64_t k = 32;
    double tolerance = 1e-2;
    bool stop_at_repeat = true;
    double dropout = 0;
    std::int64_t gram_bytes = std::int64_t{1} << 30;
  };
  static Schema<Options> schema();

  explicit MatchingPursuit(const Options& options)
      : DictionarySae(options.dictionary, options.dead), options_(options) {}

 protected:
  void check_streams() const override;
  void declare_own(SaeSpec& spec) const override;
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override;
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const SaeInput& input) override;
  at::Tensor decoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& g,
                              Gradients& gradients) override;
  at::Tensor encoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& df,
                              Gradients& gradients) override;
  void canonical_own(CanonicalSae& out) const override;

 private:
  [[nodiscard]] ops::PursuitOptions pursuit_options() const;

  Options options_;
  at::Tensor gram_room_;
  // From forward to backward of one step, and d loss / d (f W_dec + b_dec).
  ops::Pursuit pursuit_;
  at::Tensor upstream_;
};

}  // namespace saffron::plugins
