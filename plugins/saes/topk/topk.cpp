#include "topk.h"

#include <saffron/init.h>
#include <saffron/ops.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace saffron::plugins {
namespace {

constexpr double kMostLatents = std::numeric_limits<std::int32_t>::max();  // codes are int32

// mean_b ||y_b - mean y||^2
double variance(const at::Tensor& y) {
  return (y - y.mean(0)).square().sum(1).mean().item<double>();
}

// dense[latent] += coefficient, over the entries of a support.
at::Tensor sum_by_latent(const Codes& support, const at::Tensor& coefficients) {
  return at::zeros({support.latents()}, coefficients.options())
      .index_add_(0, support.gather_index().flatten(), coefficients.flatten());
}

void add_dense(Gradient& gradient, const at::Tensor& value) {
  gradient.dense = gradient.dense.defined() ? gradient.dense + value : value;
}

}  // namespace

Schema<TopK::Options> TopK::schema() {
  return Schema<Options>{}
      .param("width", &Options::width, "latents F", between(1, kMostLatents))
      .param("k", &Options::k, "active latents a row", at_least(1))
      .param("aux_coef", &Options::aux_coef, "weight of the auxiliary loss; 0 switches it off",
             non_negative())
      .param("aux_k", &Options::aux_k, "dead latents that the auxiliary loss uses a row",
             at_least(1))
      .param("dead_after", &Options::dead_after,
             "rows without firing after which a latent counts as dead", at_least(1), unit("rows"))
      .param("aux_scale", &Options::aux_scale,
             "scale of the auxiliary loss beside the squared error",
             one_of({"relative", "raw", "residual_variance"}))
      .param("unit_decoder", &Options::unit_decoder,
             "decoder rows keep norm 1 and lose the gradient along themselves")
      .param("decoder_bias", &Options::decoder_bias,
             "b_dec, subtracted before encoding and added after decoding")
      .param("b_dec_init", &Options::b_dec_init, "b_dec at the start, from the first rows",
             one_of({"geometric_median", "mean", "zero"}))
      .check([](const Options& o) {
        return o.k <= o.width ? std::string() : cat("k = ", o.k, " is more than width = ", o.width);
      });
}

SaeSpec TopK::declare(const SaeShape& shape) {
  if (shape.reads.size() != 1 || shape.predicts.size() != 1 ||
      shape.reads[0].width != shape.predicts[0].width) {
    throw Error("topk reads one stream and predicts one of the same width");
  }
  const std::int64_t d = shape.reads[0].width, F = options_.width;
  SaeSpec spec;
  spec.latents = F;
  spec.layout = Codes::Layout::topk;
  spec.max_active = options_.k;
  const Constraint unit = options_.unit_decoder ? Constraint::unit_rows : Constraint::none;
  spec.parameters = {
      {.name = "W_enc", .shape = {F, d}, .role = Role::encoder, .per_latent = true},
      {.name = "b_enc", .shape = {F}, .role = Role::encoder_bias, .per_latent = true},
      {.name = "W_dec",
       .shape = {F, d},
       .role = Role::decoder,
       .constraint = unit,
       .per_latent = true},
      {.name = "b_dec",
       .shape = {d},
       .role = Role::decoder_bias,
       .frozen = !options_.decoder_bias}};
  spec.buffers = {{.name = "last_fired",
                   .shape = {F},
                   .dtype = at::kLong,
                   .merge = Merge::max,
                   .per_latent = true}};
  return spec;
}

void TopK::bind(const Tensors& parameters, const Tensors& buffers) {
  W_enc_ = parameters["W_enc"];
  b_enc_ = parameters["b_enc"];
  W_dec_ = parameters["W_dec"];
  b_dec_ = parameters["b_dec"];
  last_fired_ = buffers["last_fired"];
}

void TopK::initialise(const InitInput& init) {
  W_dec_.copy_(init::unit_rows(init.random.fork("W_dec"), W_dec_.size(0), W_dec_.size(1),
                               W_dec_.scalar_type()));
  W_enc_.copy_(W_dec_);
  b_enc_.zero_();
  if (options_.decoder_bias && options_.b_dec_init != "zero") {
    b_dec_.copy_(init::centre(options_.b_dec_init, init.sample().streams.at(0)));
  } else {
    b_dec_.zero_();
  }
}

at::Tensor TopK::centred(const at::Tensor& x) const {
  return options_.decoder_bias ? x - b_dec_ : x;
}

std::vector<Codes> TopK::encode(const std::vector<at::Tensor>& inputs) const {
  return {ops::encode_topk(centred(inputs.at(0)), W_enc_, b_enc_, options_.k, true)};
}

std::vector<at::Tensor> TopK::decode(const std::vector<Codes>& codes) const {
  return {ops::decode(codes.at(0), W_dec_, b_dec_)};
}

Forward TopK::forward(const SaeInput& input) {
  const at::Tensor rows = centred(input.inputs.at(0));
  Forward out;
  out.codes = {ops::encode_topk(rows, W_enc_, b_enc_, options_.k, true)};
  out.reconstructions = {ops::decode(out.codes[0], W_dec_, b_dec_)};
  aux_codes_ = Codes();
  aux_upstream_.reset();
  if (options_.aux_coef > 0) auxiliary(input, rows, out);
  return out;
}

void TopK::auxiliary(const SaeInput& input, const at::Tensor& rows, Forward& forward) {
  const at::Tensor dead = last_fired_.lt(input.rows_seen - options_.dead_after);
  const std::int64_t count = dead.sum().item<std::int64_t>();
  if (count == 0) return;
  const at::Tensor e = input.targets.at(0) - forward.reconstructions[0];
  aux_codes_ = ops::encode_topk(rows, W_enc_, b_enc_, std::min(options_.aux_k, count), true, dead);
  const at::Tensor miss = ops::decode(aux_codes_, W_dec_, {}) - e;

  double scale = 1;
  if (options_.aux_scale != "raw") {
    const double residual = variance(e);
    if (residual == 0) return;
    scale = (options_.aux_scale == "relative" ? variance(input.targets.at(0)) : 1.0) / residual;
  }
  const double weight = options_.aux_coef * scale / input.objective_scale;
  forward.terms.push_back({"auxk", miss.square().sum(1).mean(), weight});
  aux_upstream_ = miss * (2 * weight / static_cast<double>(miss.size(0)));
}

void TopK::encoder_gradient(const Codes& support, const at::Tensor& value_gradient,
                            const at::Tensor& rows, Gradients& gradients) const {
  // ReLU passes nothing where the kept pre-activation was not positive.
  const at::Tensor da = value_gradient * support.values().gt(0);
  gradients["W_enc"].factored.push_back({support.with_values(da), rows});
  const at::Tensor by_latent = sum_by_latent(support, da);
  add_dense(gradients["b_enc"], by_latent);
  if (options_.decoder_bias) add_dense(gradients["b_dec"], -at::mv(W_enc_.t(), by_latent));
}

void TopK::backward(const SaeInput& input, const Forward& forward, const Upstream& upstream,
                    Gradients& gradients) {
  const at::Tensor rows = centred(input.inputs.at(0));
  const Codes& codes = forward.codes.at(0);
  at::Tensor value_gradient = upstream.codes.at(0);
  if (const at::Tensor& g = upstream.reconstructions.at(0); g.defined()) {
    gradients["W_dec"].factored.push_back({codes, g});
    if (options_.decoder_bias) add_dense(gradients["b_dec"], g.sum(0));
    const at::Tensor from_decoder = ops::code_gradient(codes, W_dec_, g);
    value_gradient = value_gradient.defined() ? value_gradient + from_decoder : from_decoder;
  }
  if (value_gradient.defined()) encoder_gradient(codes, value_gradient, rows, gradients);
  if (aux_upstream_.defined()) {
    gradients["W_dec"].factored.push_back({aux_codes_, aux_upstream_});
    encoder_gradient(aux_codes_, ops::code_gradient(aux_codes_, W_dec_, aux_upstream_), rows,
                     gradients);
  }
}

void TopK::after_step(const SaeInput& input, const Forward& forward) {
  rows_seen_ = input.rows_seen + input.inputs.at(0).size(0);
  last_fired_.masked_fill_(forward.codes.at(0).firing_counts().gt(0), rows_seen_);
}

void TopK::reinitialise(const at::Tensor& latents, Random random) {
  const at::Tensor fresh =
      init::unit_rows(random, W_dec_.size(0), W_dec_.size(1), W_dec_.scalar_type());
  if (!latents.defined()) {
    W_dec_.copy_(fresh);
    W_enc_.copy_(fresh);
    b_enc_.zero_();
    last_fired_.fill_(rows_seen_);
    return;
  }
  const at::Tensor chosen = fresh.index_select(0, latents);
  W_dec_.index_copy_(0, latents, chosen);
  W_enc_.index_copy_(0, latents, chosen);
  b_enc_.index_fill_(0, latents, 0);
  last_fired_.index_fill_(0, latents, rows_seen_);
}

CanonicalSae TopK::canonical() const {
  CanonicalSae out;
  out.W_enc = W_enc_.t().contiguous();
  out.b_enc = b_enc_.clone();
  out.W_dec = W_dec_.clone();
  out.b_dec = b_dec_.clone();
  out.activation = "topk";
  out.k = options_.k;
  out.subtract_b_dec = options_.decoder_bias;
  return out;
}

}  // namespace saffron::plugins
