#pragma once

#include <saffron/sae.h>

namespace saffron::plugins {

// Untrained baseline: a random dictionary. What a trained SAE must beat.
//
//   W_dec [F, d] random unit rows, W_enc = W_dec, b_dec = mean of the first rows x
//   f = ReLU(the k largest (x - b_dec) W_enc^T) * gain        xhat = f W_dec + b_dec
//   gain = <x - b_dec, xhat_1 - b_dec> / ||xhat_1 - b_dec||^2, with xhat_1 the reconstruction at gain 1
//
// The least-squares gain makes it the best reconstruction that these directions and this selection
// allow up to scale; without it overlapping random rows overshoot and the comparison flatters the
// trained SAE. That is for the stream that is read: for another one the same directions would be the
// guess that it lies where this one does. (A transcoder's baselines are the frozen ones of
// saffron/dictionary_sae.h.)
class RandomDictionary final : public Sae, public Exportable {
 public:
  struct Options {
    std::int64_t width = 4096;
    std::int64_t k = 32;
  };
  static Schema<Options> schema();

  explicit RandomDictionary(const Options& options) : options_(options) {}

  SaeSpec declare(const SaeShape& shape) override;
  void bind(const Tensors& parameters, const Tensors& buffers) override;
  void initialise(const InitInput& init) override;
  [[nodiscard]] std::vector<Codes> encode(const std::vector<at::Tensor>& inputs) const override;
  [[nodiscard]] std::vector<at::Tensor> decode(const std::vector<Codes>& codes) const override;
  [[nodiscard]] Forward forward(const SaeInput& input) override;
  void backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                Gradients& gradients) override;
  [[nodiscard]] CanonicalSae canonical() const override;

 private:
  [[nodiscard]] Codes select(const at::Tensor& x) const;  // at gain 1

  Options options_;
  at::Tensor W_dec_, b_dec_, gain_;
};

}  // namespace saffron::plugins
