#include "matching_pursuit.h"

#include <saffron/error.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>

namespace saffron::plugins {

Schema<MatchingPursuit::Options> MatchingPursuit::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .choice("method", &Options::method, "what a latent is given when it is chosen",
              {{"mp", Method::mp}, {"omp", Method::omp}})
      .param("k", &Options::k, "choices a row, at most", at_least(1))
      .param("tolerance", &Options::tolerance, "a row ends when less than this norm is left of it",
             non_negative())
      .param("stop_at_repeat", &Options::stop_at_repeat,
             "mp: a row ends with a latent chosen before, which still counts")
      .param("dropout", &Options::dropout,
             "share of the latents that a training step's choice leaves out", fraction())
      .param("gram_bytes", &Options::gram_bytes,
             "most memory for W_dec W_dec^T, used where it is cheaper than products; 0: never",
             at_least(0), unit("bytes"))
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) -> std::string {
        if (o.k > o.dictionary.width) {
          return cat("k = ", o.k, " is more than width = ", o.dictionary.width);
        }
        if (o.dropout == 1) return "dropout = 1 leaves no latent to choose";
        if (!o.dictionary.tied || !o.dictionary.unit_decoder || o.dictionary.encoder_bias) {
          return "matching pursuit has one dictionary of unit rows and no b_enc: leave tied, "
                 "unit_decoder and encoder_bias as they are";
        }
        return {};
      });
}

// A choice takes from the row what it is worth there, which decoding gives back.
void MatchingPursuit::check_streams() const {
  if (autoencoder()) return;
  throw Error("matching pursuit predicts what it reads: it has one dictionary for both")
      .with_help("for another stream name it in `predicts` of topk, batch_topk, relu or jumprelu");
}

void MatchingPursuit::declare_own(SaeSpec& spec) const {
  spec.layout = Codes::Layout::csr;
  spec.max_active = options_.k;
}

ops::PursuitOptions MatchingPursuit::pursuit_options() const {
  return {.k = options_.k,
          .orthogonal = options_.method == Method::omp,
          .tolerance = options_.tolerance,
          .stop_at_repeat = options_.stop_at_repeat,
          .gram_bytes = options_.gram_bytes};
}

Codes MatchingPursuit::codes_of(const at::Tensor& rows) const {
  return ops::pursue(rows, W_dec(), pursuit_options()).codes;
}

Codes MatchingPursuit::step_codes(const at::Tensor& rows, const SaeInput& input) {
  at::Tensor allowed;
  if (options_.dropout > 0) {
    allowed =
        input.random.fork("dropout").uniform_rows(0, 1, latents()).flatten().ge(options_.dropout);
  }
  pursuit_ = ops::pursue(rows, W_dec(), pursuit_options(), allowed, &gram_room_);
  return pursuit_.codes;
}

// The dictionary's gradient is one for both of its uses: encoder_backward has it.
at::Tensor MatchingPursuit::decoder_backward(const SaeInput&, const Codes&, const at::Tensor& g,
                                             Gradients& gradients) {
  upstream_ = g;
  if (g.defined() && dictionary().decoder_bias) gradients["b_dec"].add_dense(g.sum(0));
  return {};
}

at::Tensor MatchingPursuit::encoder_backward(const SaeInput&, const Codes&, const at::Tensor& df,
                                             Gradients& gradients) {
  if (!df.defined() && !upstream_.defined()) return {};
  ops::PursuitGradient own = ops::pursuit_gradient(pursuit_, step_rows(), W_dec(), df, upstream_);
  for (FactoredGradient& part : own.W) gradients["W_dec"].factored.push_back(std::move(part));
  if (subtracts_b_dec()) gradients["b_dec"].add_dense(-own.x.sum(0));
  return {};
}

void MatchingPursuit::canonical_own(CanonicalSae&) const {
  throw Error("matching pursuit has no canonical encoder, so that it cannot be exported");
}

}  // namespace saffron::plugins
