#pragma once

#include <saffron/batch_topk.h>

namespace saffron::plugins {

// BatchTopK sparse autoencoder: saffron/batch_topk.h says how codes are chosen, dictionary_sae.h the rest.
//
//   by_contribution    values compete as a_i ||W_dec[i]|| (SAELens); f stays a
//
// threshold_rate and aux_coef are the authors' (bartbussmann/BatchTopK). They have besides no b_enc, rows
// standardised, b_dec from 0, aux_k = 512 and latents dead after 5 batches, all of which are parameters.
class BatchTopK final : public DictionarySae {
 public:
  struct Options {
    DictionaryOptions dictionary;
    DeadLatentOptions dead{.dead = DeadLatentOptions::Method::auxk};
    BatchTopKOptions selection;
    bool by_contribution = false;
  };
  static Schema<Options> schema();

  explicit BatchTopK(const Options& options)
      : DictionarySae(options.dictionary, options.dead),
        by_contribution_(options.by_contribution),
        selection_(options.selection) {}

 protected:
  void declare_own(SaeSpec& spec) const override { selection_.declare(spec); }
  void bind_own(const Tensors&, const Tensors& buffers) override { selection_.bind(buffers); }
  [[nodiscard]] Codes codes_of(const at::Tensor& rows) const override {
    return selection_.codes_of(rows, W_enc(), b_enc(), scale());
  }
  [[nodiscard]] Codes step_codes(const at::Tensor& rows, const SaeInput& input) override {
    return selection_.step_codes(rows, W_enc(), b_enc(), input, scale());
  }
  [[nodiscard]] DeadLatents::Choice dead_choice() const override { return {.scale = scale()}; }
  void own_after_step(const SaeInput&, const Codes&) override { selection_.after_step(); }
  void canonical_own(CanonicalSae& out) const override { selection_.canonical(out, scale()); }

 private:
  [[nodiscard]] at::Tensor scale() const {
    return by_contribution_ ? contribution_scale() : at::Tensor();
  }

  bool by_contribution_;
  BatchTopKSelection selection_;
};

}  // namespace saffron::plugins
