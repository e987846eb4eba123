#pragma once

#include <saffron/dictionary_sae.h>

namespace saffron::plugins {

// ReLU sparse autoencoder. Its sparsity comes from a regularizer (l1) named beside it.
// (Cunningham et al. 2024; Bricken et al. 2023; Heap et al. 2025 for `standardise`)
//
//   f = ReLU(a)
//
// saffron/dictionary_sae.h has the linear parts (tied weights, standardised rows), dead_latents.h what
// happens to dead latents: dead = "resample" with unit_decoder = true is Bricken's training.
class Relu final : public DictionarySae {
 public:
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead = {};
  };
  static Schema<Options> schema();

  explicit Relu(const Options& options) : DictionarySae(options.dictionary, options.dead) {}

 protected:
  void declare_own(SaeSpec& spec) const override;
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override;
  void canonical_own(CanonicalSae& out) const override;
};

}  // namespace saffron::plugins
