#include "cross_layer_transcoder.h"

#include "selection.h"

#include <saffron/dictionary_sae.h>
#include <saffron/error.h>
#include <saffron/init.h>
#include <saffron/ops.h>
#include <saffron/streams.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace saffron::plugins {
namespace {

// What a strategy that knows one encoder declares, with buffers of the layer's own.
template <class Strategy>
void declare_for(const Strategy& strategy, const std::string& suffix, SaeSpec& spec) {
  SaeSpec own;
  own.latents = spec.latents;
  strategy.declare(own);
  for (BufferSpec& buffer : own.buffers) {
    buffer.name += suffix;
    spec.buffers.push_back(std::move(buffer));
  }
}

Tensors renamed(const Tensors& buffers, const std::string& name, const std::string& suffix) {
  Tensors out;
  out.set(name, buffers[name + suffix]);
  return out;
}

// Uniform on [-bound, bound).
at::Tensor uniform(const Random& random, const at::Tensor& like, double bound) {
  return (random.uniform_rows(0, like.size(0), like.size(1), like.scalar_type()) * 2 - 1) * bound;
}

}  // namespace

Schema<CrossLayerTranscoder::Options> CrossLayerTranscoder::schema() {
  return Schema<Options>{}
      .param("width", &Options::width, "latents F of each layer", between(1, kMostLatents))
      .param("b_dec_init", &Options::b_dec_init,
             "b_dec at the start, from the first rows of what is predicted",
             one_of({"zero", "mean", "geometric_median"}))
      .choice("activation", &Options::activation, "how codes come from pre-activations",
              {{"relu", Activation::relu},
               {"topk", Activation::topk},
               {"batch_topk", Activation::batch_topk},
               {"jumprelu", Activation::jumprelu}})
      .param("across_layers", &Options::across_layers,
             "topk, batch_topk: k counts the latents of all layers together, else of each")
      .include(&Options::penalty, WeightedPenaltyOptions::schema())
      .include(&Options::selection, BatchTopKOptions::schema())
      .include(&Options::jump, JumpOptions::schema())
      .include(&Options::dead, DeadLatentOptions::schema())
      .check([](const Options& o) -> std::string {
        return o.dead.dead == DeadLatentOptions::Method::resample
                   ? "dead = \"resample\" makes decoder rows from rows that are read, which here "
                     "are of "
                     "one layer, and decoder rows of several"
                   : "";
      });
}

CrossLayerTranscoder::Layer::Layer(const Options& options, std::size_t number,
                                   std::vector<std::int64_t> targets, std::int64_t first_column)
    : suffix(cat(".", number)),
      widths(std::move(targets)),
      column(first_column),
      columns(std::accumulate(widths.begin(), widths.end(), std::int64_t{0})),
      penalty(options.penalty),
      selection(options.selection),
      jump(options.jump, suffix),
      dead(options.dead) {}

DeadLatents::Weights CrossLayerTranscoder::Layer::weights() const {
  return {W_enc, b_enc, W_dec, "W_enc" + suffix, "b_enc" + suffix, "W_dec" + suffix};
}

at::Tensor CrossLayerTranscoder::Layer::own_columns(const at::Tensor& of_all) const {
  return of_all.narrow(1, column, columns);
}

std::vector<std::string> CrossLayerTranscoder::pseudo_gradients() const {
  std::vector<std::string> names;
  if (options_.activation != Activation::jumprelu) return names;
  for (const Layer& layer : layers_) {
    const DeadLatents::Weights weights = layer.weights();
    for (std::string& name :
         layer.jump.pseudo_gradients({weights.W_enc_name, weights.b_enc_name})) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

CanonicalSae CrossLayerTranscoder::canonical() const {
  throw Error(cat("a cross-layer transcoder of ", layers_.size(),
                  " layers has no canonical weights, which are those of one stream"))
      .with_help(
          "read its .safetensors in the run's saes/ folder: W_enc.i and W_dec.i are of layer i, "
          "whose "
          "targets' columns stand side by side");
}

SaeSpec CrossLayerTranscoder::declare(const SaeShape& shape) {
  const std::size_t count = shape.reads.size();
  if (count < 2 || shape.predicts.size() != count) {
    throw Error(
        cat("a cross-layer transcoder reads one stream a layer and predicts one a layer, of two "
            "layers at least, not ",
            count, " and ", shape.predicts.size()))
        .with_help("for one layer name it in `predicts` of topk, batch_topk, relu or jumprelu");
  }
  SaeSpec spec;
  spec.latents = options_.width;
  spec.spaces = static_cast<std::int64_t>(count);
  target_widths_ = widths_of(shape.predicts);
  layers_.clear();
  std::int64_t column = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto first = target_widths_.begin() + static_cast<std::ptrdiff_t>(i);
    layers_.emplace_back(options_, i, std::vector<std::int64_t>(first, target_widths_.end()),
                         column);
    column += *first;
  }
  for (std::size_t i = 0; i < count; ++i) declare_layer(layers_[i], shape.reads[i].width, spec);
  spec.parameters.push_back({.name = "b_dec", .shape = {column}, .role = Role::decoder_bias});
  declare_selection(spec);
  return spec;
}

void CrossLayerTranscoder::declare_layer(const Layer& layer, std::int64_t d, SaeSpec& spec) const {
  const std::int64_t F = spec.latents;
  spec.parameters.push_back(
      {.name = "W_enc" + layer.suffix, .shape = {F, d}, .role = Role::encoder, .per_latent = true});
  spec.parameters.push_back({.name = "b_enc" + layer.suffix,
                             .shape = {F},
                             .role = Role::encoder_bias,
                             .per_latent = true});
  spec.parameters.push_back({.name = "W_dec" + layer.suffix,
                             .shape = {F, layer.columns},
                             .role = Role::decoder,
                             .per_latent = true});
  declare_for(layer.dead, layer.suffix, spec);
  if (options_.activation == Activation::jumprelu) layer.jump.declare(spec);
  if (options_.activation == Activation::batch_topk && !options_.across_layers) {
    declare_for(layer.selection, layer.suffix, spec);
  }
}

void CrossLayerTranscoder::declare_selection(SaeSpec& spec) const {
  const bool topk = options_.activation == Activation::topk;
  spec.layout = topk && !options_.across_layers ? Codes::Layout::topk : Codes::Layout::csr;
  if (shares_budget()) shared_.declare(spec);
  if (!selects()) return;
  const std::int64_t of = options_.across_layers ? spec.spaces * spec.latents : spec.latents;
  if (const std::string problem = k_problem(options_.selection.k, of); !problem.empty()) {
    throw Error(problem).with_help(options_.across_layers
                                       ? "k counts the latents of all layers together"
                                       : "across_layers = true counts the latents of all layers");
  }
  if (topk) spec.max_active = std::min(options_.selection.k.largest(), spec.latents);
}

void CrossLayerTranscoder::bind(const Tensors& parameters, const Tensors& buffers) {
  for (Layer& layer : layers_) {
    layer.W_enc = parameters["W_enc" + layer.suffix];
    layer.b_enc = parameters["b_enc" + layer.suffix];
    layer.W_dec = parameters["W_dec" + layer.suffix];
    layer.dead.bind(renamed(buffers, "last_fired", layer.suffix));
    if (options_.activation == Activation::jumprelu) layer.jump.bind(parameters);
    if (options_.activation == Activation::batch_topk && !options_.across_layers) {
      layer.selection.bind(renamed(buffers, "threshold", layer.suffix));
    }
  }
  b_dec_ = parameters["b_dec"];
  if (shares_budget()) shared_.bind(buffers);
}

// Encoders U(-F^-1/2, F^-1/2), decoders U(-(L e)^-1/2, (L e)^-1/2), as Ameisen et al.
void CrossLayerTranscoder::initialise(const InitInput& init) {
  const auto layers = static_cast<double>(layers_.size());
  for (Layer& layer : layers_) {
    layer.W_enc.copy_(uniform(init.random.fork("W_enc" + layer.suffix), layer.W_enc,
                              1 / std::sqrt(static_cast<double>(options_.width))));
    layer.b_enc.zero_();
    layer.W_dec.copy_(uniform(init.random.fork("W_dec" + layer.suffix), layer.W_dec, 1));
    for (at::Tensor part : apart(layer.W_dec, layer.widths)) {
      part.div_(std::sqrt(layers * static_cast<double>(part.size(1))));
    }
    if (options_.activation == Activation::jumprelu) layer.jump.initialise({});
  }
  b_dec_.zero_();
  if (options_.b_dec_init == "zero") return;
  const std::vector<at::Tensor>& streams = init.sample().streams;
  const auto predicted = streams.end() - static_cast<std::ptrdiff_t>(layers_.size());
  std::vector<at::Tensor> centres;
  for (auto rows = predicted; rows != streams.end(); ++rows) {
    centres.push_back(init::centre(options_.b_dec_init, *rows));
  }
  b_dec_.copy_(at::cat(centres));
}

at::Tensor CrossLayerTranscoder::scale(const Layer& layer) const {
  return selection_scale(options_.penalty.norm, layer.W_dec, layer.widths);
}

// The k largest of each row, of all layers or of each.
std::vector<Codes> CrossLayerTranscoder::largest(const std::vector<at::Tensor>& inputs,
                                                 std::int64_t k) const {
  std::vector<Codes> codes;
  std::vector<at::Tensor> compared;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const at::Tensor by = scale(layer);
    codes.push_back(weighted_topk(inputs.at(i), layer.W_enc, layer.b_enc,
                                  std::min(k, options_.width), ops::Keep::rectified, by));
    const at::Tensor& f = codes.back().values();
    compared.push_back(by.defined() ? f * codes.back().by_entry(by) : f);
  }
  return options_.across_layers ? largest_of_all(codes, compared, k) : codes;
}

std::vector<Codes> CrossLayerTranscoder::encode(const std::vector<at::Tensor>& inputs) const {
  const c10::AutoGradMode no_grad(false);
  if (options_.activation == Activation::topk) return largest(inputs, options_.selection.k.k);
  std::vector<Codes> codes;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const at::Tensor& x = inputs.at(i);
    if (options_.activation == Activation::jumprelu) {
      codes.push_back(layer.jump.codes_of(x, layer.W_enc, layer.b_enc));
    } else if (options_.activation == Activation::batch_topk) {
      codes.push_back((options_.across_layers ? shared_ : layer.selection)
                          .codes_of(x, layer.W_enc, layer.b_enc, scale(layer)));
    } else {
      codes.push_back(ops::encode_above(x, layer.W_enc, layer.b_enc, {}));
    }
  }
  return codes;
}

std::vector<Codes> CrossLayerTranscoder::step_codes(const SaeInput& input) {
  if (options_.activation == Activation::relu) return encode(input.inputs);
  if (options_.activation == Activation::topk) {
    return largest(input.inputs, options_.selection.k.at(input.step, input.steps));
  }
  std::vector<Codes> codes;
  std::vector<BatchTopKSelection::Encoder> encoders;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    const at::Tensor& x = input.inputs.at(i);
    if (options_.activation == Activation::jumprelu) {
      codes.push_back(layer.jump.step_codes(x, layer.W_enc, layer.b_enc));
    } else if (!options_.across_layers) {
      codes.push_back(layer.selection.step_codes(x, layer.W_enc, layer.b_enc, input, scale(layer)));
    } else {
      encoders.push_back({x, layer.W_enc, layer.b_enc, scale(layer)});
    }
  }
  return shares_budget() ? shared_.step_codes(encoders, input) : codes;
}

// Layer 0 writes to all targets.
at::Tensor CrossLayerTranscoder::decoded(const std::vector<Codes>& codes) const {
  at::Tensor all = ops::decode(codes.at(0), layers_[0].W_dec, b_dec_);
  for (std::size_t i = 1; i < layers_.size(); ++i) {
    layers_[i].own_columns(all).add_(ops::decode(codes.at(i), layers_[i].W_dec, {}));
  }
  return all;
}

std::vector<at::Tensor> CrossLayerTranscoder::decode(const std::vector<Codes>& codes) const {
  const c10::AutoGradMode no_grad(false);
  return apart(decoded(codes), target_widths_);
}

Forward CrossLayerTranscoder::forward(const SaeInput& input) {
  const c10::AutoGradMode no_grad(false);
  Forward out;
  out.codes = step_codes(input);
  const at::Tensor all = decoded(out.codes);
  out.reconstructions = apart(all, target_widths_);
  const bool dead = options_.dead.dead != DeadLatentOptions::Method::none;
  const at::Tensor target = dead ? side_by_side(input.targets) : at::Tensor();
  const at::Tensor error = dead ? target - all : at::Tensor();
  at::Tensor penalty;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    if (layer.penalty.any()) {
      const at::Tensor own = layer.penalty.forward(out.codes[i], layer.W_dec, layer.widths);
      penalty = penalty.defined() ? penalty + own : own;
    }
    if (!dead) continue;
    const std::size_t before = out.terms.size();
    layer.dead.forward(input, layer.weights(),
                       {.rows = input.inputs[i],
                        .target = layer.own_columns(target),
                        .e = layer.own_columns(error),
                        .row_scale = {},
                        .choice = {.scale = selects() ? scale(layer) : at::Tensor()}},
                       out);
    for (std::size_t t = before; t < out.terms.size(); ++t) out.terms[t].name += layer.suffix;
  }
  if (penalty.defined()) {
    out.terms.push_back({layers_[0].penalty.name(), penalty, options_.penalty.coef_at(input)});
  }
  return out;
}

void CrossLayerTranscoder::backward(const SaeInput& input, const Forward& forward,
                                    const Upstream& upstream, Gradients& gradients) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor g = side_by_side(upstream.reconstructions, target_widths_);
  if (g.defined()) gradients["b_dec"].add_dense(g.sum(0));
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const Codes& codes = forward.codes.at(i);
    const DeadLatents::Weights weights = layer.weights();
    at::Tensor df = upstream.codes.at(i);
    const auto add = [&df](const at::Tensor& more) { df = df.defined() ? df + more : more; };
    if (g.defined()) {
      const at::Tensor own = layer.own_columns(g).contiguous();
      gradients[weights.W_dec_name].factored.push_back({codes, own});
      add(ops::code_gradient(codes, layer.W_dec, own));
    }
    if (layer.penalty.any()) {
      add(layer.penalty.backward(options_.penalty.coef_at(input), codes, layer.W_dec, layer.widths,
                                 &gradients[weights.W_dec_name]));
    }
    at::Tensor da;
    if (options_.activation == Activation::jumprelu) {
      da = layer.jump.backward(codes, df, {}, {}, gradients);
    } else if (df.defined()) {
      da = df * codes.values().gt(0);
    }
    if (da.defined()) {
      const Codes support = codes.with_values(da);
      gradients[weights.W_enc_name].factored.push_back({support, input.inputs[i]});
      gradients[weights.b_enc_name].add_dense(ops::sum_by_latent(support));
    }
    const at::Tensor by_latent = layer.dead.backward(weights, input.inputs[i], gradients);
    if (by_latent.defined()) gradients[weights.b_enc_name].add_dense(by_latent);
  }
}

void CrossLayerTranscoder::after_step(const SaeInput& input, const Forward& forward) {
  if (shares_budget()) shared_.after_step();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    if (options_.activation == Activation::batch_topk && !options_.across_layers) {
      layer.selection.after_step();
    }
    (void)layer.dead.after_step(input, forward.codes[i], layer.weights(),
                                {.rows = input.inputs[i], .target = {}, .e = {}, .row_scale = {}},
                                input.random);
  }
}

}  // namespace saffron::plugins
