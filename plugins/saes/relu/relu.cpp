#include "relu.h"

#include <saffron/init.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/relu.h>

#include <cstdint>
#include <limits>

namespace saffron::plugins {
namespace {

constexpr double kRowEpsilon = 1e-8;
constexpr double kMostLatents = std::numeric_limits<std::int32_t>::max();  // codes are int32

// rows = (x - shift) / scale, each by its own mean and deviation.
struct Standardised {
  at::Tensor rows, scale, shift;
};

Standardised standardised(const at::Tensor& x) {
  const at::Tensor shift = x.mean(at::IntArrayRef{1}, true), moved = x - shift;
  const at::Tensor scale = moved.square().mean(at::IntArrayRef{1}, true).sqrt() + kRowEpsilon;
  return {moved / scale, scale, shift};
}

}  // namespace

Schema<Relu::Options> Relu::schema() {
  return Schema<Options>{}
      .param("width", &Options::width, "latents F", between(1, kMostLatents))
      .param("tied", &Options::tied, "the encoder is the decoder's transpose")
      .param("unit_decoder", &Options::unit_decoder,
             "decoder rows keep norm 1 and lose the gradient along themselves")
      .param("decoder_bias", &Options::decoder_bias, "b_dec, added after decoding")
      .param("pre_bias", &Options::pre_bias, "b_dec is also subtracted before encoding")
      .param("standardise", &Options::standardise,
             "encode each row by its own mean and deviation, and undo it after decoding")
      .param("b_dec_init", &Options::b_dec_init,
             "b_dec at the start, from the first rows (standardised ones with `standardise`)",
             one_of({"geometric_median", "mean", "zero"}));
}

SaeSpec Relu::declare_simple(std::int64_t d_in, std::int64_t d_out) {
  if (d_in != d_out) throw Error(cat("relu predicts what it reads: widths ", d_in, " and ", d_out));
  const std::int64_t F = options_.width;
  SaeSpec spec;
  spec.latents = F;
  spec.layout = Codes::Layout::dense;
  if (!options_.tied) {
    spec.parameters.push_back(
        {.name = "W_enc", .shape = {F, d_in}, .role = Role::encoder, .per_latent = true});
  }
  spec.parameters.push_back(
      {.name = "b_enc", .shape = {F}, .role = Role::encoder_bias, .per_latent = true});
  spec.parameters.push_back(
      {.name = "W_dec",
       .shape = {F, d_in},
       .role = Role::decoder,
       .constraint = options_.unit_decoder ? Constraint::unit_rows : Constraint::none,
       .per_latent = true});
  spec.parameters.push_back({.name = "b_dec",
                             .shape = {d_in},
                             .role = Role::decoder_bias,
                             .frozen = !options_.decoder_bias});
  return spec;
}

void Relu::initialise(const InitInput& init) {
  const at::Tensor& W_dec = p("W_dec");
  W_dec.copy_(init::unit_rows(init.random.fork("W_dec"), W_dec.size(0), W_dec.size(1),
                              W_dec.scalar_type()));
  if (!options_.tied) p("W_enc").copy_(W_dec);
  p("b_enc").zero_();
  if (options_.decoder_bias && options_.b_dec_init != "zero") {
    const at::Tensor& x = init.sample().streams.at(0);
    p("b_dec").copy_(
        init::centre(options_.b_dec_init, options_.standardise ? standardised(x).rows : x));
  } else {
    p("b_dec").zero_();
  }
}

Codes Relu::encode_rows(const at::Tensor& x) const {
  at::Tensor rows = x, scale, shift;
  if (options_.standardise) {
    const Standardised own = standardised(x);
    rows = own.rows;
    scale = own.scale;
    shift = own.shift;
  }
  if (options_.decoder_bias && options_.pre_bias) rows = rows - p("b_dec");
  return Codes::dense(at::relu(at::linear(rows, encoder(), p("b_enc"))))
      .with_row_normalisation(scale, shift);
}

at::Tensor Relu::decode_codes(const Codes& codes) const {
  at::Tensor out = at::mm(codes.values(), p("W_dec"));
  if (options_.decoder_bias) out = out + p("b_dec");
  if (codes.row_scale().defined()) out = out * codes.row_scale() + codes.row_shift();
  return out;
}

void Relu::reinitialise(const at::Tensor& latents, Random random) {
  const at::Tensor& W_dec = p("W_dec");
  const at::Tensor fresh =
      init::unit_rows(random, W_dec.size(0), W_dec.size(1), W_dec.scalar_type());
  if (!latents.defined()) {
    W_dec.copy_(fresh);
    if (!options_.tied) p("W_enc").copy_(fresh);
    p("b_enc").zero_();
    return;
  }
  W_dec.index_copy_(0, latents, fresh.index_select(0, latents));
  if (!options_.tied) p("W_enc").index_copy_(0, latents, fresh.index_select(0, latents));
  p("b_enc").index_fill_(0, latents, 0);
}

CanonicalSae Relu::canonical() const {
  if (options_.standardise) {
    throw Error("an SAE that standardises its rows has no canonical weights")
        .with_help("train with standardise = false to export it");
  }
  CanonicalSae out;
  out.W_enc = encoder().t().contiguous();
  out.b_enc = p("b_enc").clone();
  out.W_dec = p("W_dec").clone();
  out.b_dec = p("b_dec").clone();
  out.activation = "relu";
  out.subtract_b_dec = options_.decoder_bias && options_.pre_bias;
  return out;
}

}  // namespace saffron::plugins
