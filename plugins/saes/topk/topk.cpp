#include "topk.h"

#include <saffron/weighted_penalty.h>

#include <ATen/TensorOperators.h>

#include <algorithm>

namespace saffron::plugins {

Schema<TopK::Options> TopK::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .include(&Options::k, KOptions::schema())
      .choice(
          "keep", &Options::keep,
          "the largest values, negative ones as 0, or those largest in magnitude, with their sign, "
          "for AuxK too",
          {{"rectified", Keep::rectified}, {"magnitude", Keep::magnitude}})
      .param("by_contribution", &Options::by_contribution,
             "compare a ||W_dec|| of latents, what they contribute, instead of a, for AuxK too "
             "(SAELens: "
             "rescale_acts_by_decoder_norm); the same where decoder rows have norm 1")
      .param("multi_k_coef", &Options::multi_k_coef,
             "weight of the error with more active latents (Multi-TopK); 0: none", non_negative())
      .param("multi_k_factor", &Options::multi_k_factor, "Multi-TopK: so many times k", at_least(2))
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) { return k_problem(o.k, o.dictionary.width); });
}

void TopK::declare_own(SaeSpec& spec) const {
  spec.layout = Codes::Layout::topk;
  spec.max_active = options_.k.largest();
}

Codes TopK::largest(const at::Tensor& rows, std::int64_t k) const {
  const ops::Keep keep =
      options_.keep == Keep::rectified ? ops::Keep::rectified : ops::Keep::magnitude;
  return weighted_topk(rows, W_enc(), b_enc(), k, keep, scale());
}

DeadLatents::Choice TopK::dead_choice() const {
  return {.scale = scale(), .by_magnitude = options_.keep == Keep::magnitude};
}

Codes TopK::codes_of(const at::Tensor& rows) const { return largest(rows, options_.k.k); }

// The larger support of Multi-TopK, in order of size, begins with the smaller one.
Codes TopK::step_codes(const at::Tensor& rows, const SaeInput& input) {
  const std::int64_t k = options_.k.at(input.step, input.steps);
  more_ = Codes();
  if (options_.multi_k_coef == 0) return largest(rows, k);
  more_ = largest(rows, std::min(k * options_.multi_k_factor, latents()));
  return Codes::topk(more_.values().slice(1, 0, k).contiguous(),
                     more_.indices().slice(1, 0, k).contiguous(), latents());
}

void TopK::own_terms(const SaeInput& input, Forward& forward) {
  if (!more_.defined()) return;
  const double weight = options_.multi_k_coef / input.objective_scale;
  const OwnError error = own_error(step_decode(more_), weight);
  forward.terms.push_back({"multi_k", error.value, weight});
  more_upstream_ = error.upstream;
}

// ReLU passes nothing where the kept pre-activation was not positive.
at::Tensor TopK::passed(const Codes& codes, const at::Tensor& df) const {
  return options_.keep == Keep::rectified ? df * codes.values().gt(0) : df;
}

at::Tensor TopK::decoder_backward(const SaeInput& input, const Codes& codes, const at::Tensor& g,
                                  Gradients& gradients) {
  if (more_.defined()) {
    const at::Tensor df = DictionarySae::decoder_backward(input, more_, more_upstream_, gradients);
    linear_backward(more_, passed(more_, df), gradients);
  }
  return DictionarySae::decoder_backward(input, codes, g, gradients);
}

at::Tensor TopK::encoder_backward(const SaeInput&, const Codes& codes, const at::Tensor& df,
                                  Gradients&) {
  return df.defined() ? passed(codes, df) : at::Tensor();
}

void TopK::canonical_own(CanonicalSae& out) const {
  out.activation = options_.keep == Keep::rectified ? "topk" : "abs_topk";
  out.k = options_.k.k;
  if (!options_.by_contribution) return;
  // Codes that compete as they are: the norms go from the decoder into the encoder.
  out.code_scale = contribution_scale();
  out.W_enc = out.W_enc * out.code_scale;
  out.b_enc = out.b_enc * out.code_scale;
  out.W_dec = out.W_dec / out.code_scale.unsqueeze(1);
}

}  // namespace saffron::plugins
