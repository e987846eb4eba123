#include "crosscoder.h"

#include <saffron/error.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>

namespace saffron::plugins {

Schema<Crosscoder::Options> Crosscoder::schema() {
  return Schema<Options>{}
      .include(&Options::dictionary, DictionaryOptions::schema())
      .choice("activation", &Options::activation, "how codes come from pre-activations",
              {{"relu", Activation::relu},
               {"topk", Activation::topk},
               {"batch_topk", Activation::batch_topk},
               {"jumprelu", Activation::jumprelu}})
      .include(&Options::penalty, WeightedPenaltyOptions::schema())
      .include(&Options::selection, BatchTopKOptions::schema())
      .include(&Options::jump, JumpOptions::schema())
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) -> std::string {
        const bool selects =
            o.activation == Activation::topk || o.activation == Activation::batch_topk;
        return selects ? k_problem(o.selection.k, o.dictionary.width) : "";
      });
}

Crosscoder::Crosscoder(const Options& options)
    : DictionarySae(options.dictionary, options.dead),
      options_(options),
      penalty_(options.penalty),
      selection_(options.selection),
      jump_(options.jump) {}

std::vector<std::string> Crosscoder::pseudo_gradients() const {
  if (options_.activation != Activation::jumprelu) return {};
  return jump_.pseudo_gradients(encoder_parameters());
}

void Crosscoder::check_streams() const {
  if (streams() > 1) return;
  throw Error("a crosscoder reads or predicts several streams, not one")
      .with_help("name more in reads = [...], or use relu, topk, batch_topk or jumprelu for one");
}

void Crosscoder::declare_own(SaeSpec& spec) const {
  spec.layout = Codes::Layout::csr;
  switch (options_.activation) {
    case Activation::relu: break;
    case Activation::topk:
      spec.layout = Codes::Layout::topk;
      spec.max_active = options_.selection.k.largest();
      break;
    case Activation::batch_topk: selection_.declare(spec); break;
    case Activation::jumprelu: jump_.declare(spec); break;
  }
}

void Crosscoder::bind_own(const Tensors& parameters, const Tensors& buffers) {
  if (options_.activation == Activation::batch_topk) selection_.bind(buffers);
  if (options_.activation == Activation::jumprelu) jump_.bind(parameters);
}

void Crosscoder::initialise_own(const at::Tensor& latents) {
  if (options_.activation == Activation::jumprelu) jump_.initialise(latents);
}

at::Tensor Crosscoder::scale() const {
  return selection_scale(options_.penalty.norm, W_dec(), predicted_widths());
}

DeadLatents::Choice Crosscoder::dead_choice() const {
  return {.scale = selects() ? scale() : at::Tensor()};
}

Codes Crosscoder::codes_of(const at::Tensor& rows) const {
  switch (options_.activation) {
    case Activation::relu: return ops::encode_above(rows, W_enc(), b_enc(), {});
    case Activation::topk:
      return weighted_topk(rows, W_enc(), b_enc(), options_.selection.k.k, ops::Keep::rectified,
                           scale());
    case Activation::batch_topk: return selection_.codes_of(rows, W_enc(), b_enc(), scale());
    case Activation::jumprelu: return jump_.codes_of(rows, W_enc(), b_enc());
  }
  throw Error(ErrorKind::internal, "crosscoder: unknown activation");
}

Codes Crosscoder::step_codes(const at::Tensor& rows, const SaeInput& input) {
  switch (options_.activation) {
    case Activation::topk:
      return weighted_topk(rows, W_enc(), b_enc(), options_.selection.k.at(input.step, input.steps),
                           ops::Keep::rectified, scale());
    case Activation::batch_topk:
      return selection_.step_codes(rows, W_enc(), b_enc(), input, scale());
    case Activation::jumprelu: return jump_.step_codes(rows, W_enc(), b_enc());
    case Activation::relu: break;
  }
  return codes_of(rows);
}

void Crosscoder::own_terms(const SaeInput& input, Forward& forward) {
  if (!penalty_.any()) return;
  forward.terms.push_back({penalty_.name(),
                           penalty_.forward(forward.codes[0], W_dec(), predicted_widths()),
                           options_.penalty.coef_at(input)});
}

at::Tensor Crosscoder::encoder_backward(const SaeInput& input, const Codes& codes,
                                        const at::Tensor& df, Gradients& gradients) {
  at::Tensor total = df;
  if (penalty_.any()) {
    const at::Tensor own = penalty_.backward(options_.penalty.coef_at(input), codes, W_dec(),
                                             predicted_widths(), &gradients["W_dec"]);
    total = total.defined() ? total + own : own;
  }
  if (options_.activation == Activation::jumprelu) {
    return jump_.backward(codes, total, {}, {}, gradients);
  }
  return total.defined() ? total * codes.values().gt(0) : total;
}

void Crosscoder::own_after_step(const SaeInput&, const Codes&) {
  if (options_.activation == Activation::batch_topk) selection_.after_step();
}

// Asked for rows of one stream alone, which declare() refuses.
void Crosscoder::canonical_own(CanonicalSae&) const {
  throw Error(ErrorKind::internal, "crosscoder: asked for the weights of one stream");
}

}  // namespace saffron::plugins
