#pragma once

#include <saffron/batch_topk.h>

namespace saffron::plugins {

// BatchTopK sparse autoencoder: saffron/batch_topk.h says how codes are chosen, dictionary_sae.h the rest.
// Defaults are the authors' (bartbussmann/BatchTopK), k apart.
class BatchTopK final : public DictionarySae {
 public:
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead{.dead = DeadLatentOptions::Method::auxk};
    BatchTopKOptions selection;
  };
  static Schema<Options> schema();

  explicit BatchTopK(const Options& options)
      : DictionarySae(options.dictionary, options.dead), selection_(options.selection) {}

 protected:
  void declare_own(SaeSpec& spec) const override { selection_.declare(spec); }
  void bind_own(const Tensors&, const Tensors& buffers) override { selection_.bind(buffers); }
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override {
    return selection_.codes_of(rows, W_enc(), b_enc());
  }
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const SaeInput& input) override {
    return selection_.step_codes(rows, W_enc(), b_enc(), input);
  }
  void own_after_step(const SaeInput&, const Codes&) override { selection_.after_step(); }
  void canonical_own(CanonicalSae& out) const override { selection_.canonical(out); }

 private:
  BatchTopKSelection selection_;
};

}  // namespace saffron::plugins
