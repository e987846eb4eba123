#include "random.h"

#include <saffron/init.h>
#include <saffron/ops.h>
#include <saffron/streams.h>

#include <ATen/TensorOperators.h>

#include <cstdint>
#include <limits>

namespace saffron::plugins {
namespace {

constexpr double kMostLatents = std::numeric_limits<std::int32_t>::max();  // codes are int32

}  // namespace

Schema<RandomDictionary::Options> RandomDictionary::schema() {
  return Schema<Options>{}
      .param("width", &Options::width, "latents F", between(1, kMostLatents))
      .param("k", &Options::k, "active latents a row", at_least(1))
      .check([](const Options& o) {
        return o.k <= o.width ? std::string() : cat("k = ", o.k, " is more than width = ", o.width);
      });
}

SaeSpec RandomDictionary::declare(const SaeShape& shape) {
  if (shape.reads.size() != 1 || !same_streams(shape.reads, shape.predicts)) {
    throw Error("random reads one stream and predicts the same one")
        .with_help(
            "the baselines of a transcoder have weights that are fitted: set frozen = \"decoder\" "
            "or "
            "\"encoder\" of topk");
  }
  const std::int64_t d = shape.reads[0].width, F = options_.width;
  SaeSpec spec;
  spec.latents = F;
  spec.layout = Codes::Layout::topk;
  spec.max_active = options_.k;
  spec.parameters = {{.name = "W_dec",
                      .shape = {F, d},
                      .role = Role::decoder,
                      .constraint = Constraint::unit_rows,
                      .per_latent = true,
                      .frozen = true},
                     {.name = "b_dec", .shape = {d}, .role = Role::decoder_bias, .frozen = true},
                     {.name = "gain", .shape = {1}, .role = Role::scale, .frozen = true}};
  return spec;
}

void RandomDictionary::bind(const Tensors& parameters, const Tensors&) {
  W_dec_ = parameters["W_dec"];
  b_dec_ = parameters["b_dec"];
  gain_ = parameters["gain"];
}

void RandomDictionary::initialise(const InitInput& init) {
  const at::Tensor& x = init.sample().streams.at(0);
  W_dec_.copy_(init::unit_rows(init.random.fork("W_dec"), W_dec_.size(0), W_dec_.size(1),
                               W_dec_.scalar_type()));
  b_dec_.copy_(x.mean(0));
  const at::Tensor made = ops::decode(select(x), W_dec_, {});
  const double energy = made.square().sum().item<double>();
  gain_.fill_(energy > 0 ? ((x - b_dec_) * made).sum().item<double>() / energy : 0.0);
}

Codes RandomDictionary::select(const at::Tensor& x) const {
  return ops::encode_topk(x - b_dec_, W_dec_, {}, options_.k, ops::Keep::rectified);
}

std::vector<Codes> RandomDictionary::encode(const std::vector<at::Tensor>& inputs) const {
  const Codes codes = select(inputs.at(0));
  return {codes.with_values(codes.values() * gain_)};
}

std::vector<at::Tensor> RandomDictionary::decode(const std::vector<Codes>& codes) const {
  return {ops::decode(codes.at(0), W_dec_, b_dec_)};
}

Forward RandomDictionary::forward(const SaeInput& input) {
  Forward out;
  out.codes = encode(input.inputs);
  out.reconstructions = decode(out.codes);
  return out;
}

void RandomDictionary::backward(const SaeInput&, const Forward&, const Upstream&, Gradients&) {}

CanonicalSae RandomDictionary::canonical() const {
  CanonicalSae out;
  out.W_enc = (W_dec_ * gain_).t().contiguous();
  out.W_dec = W_dec_.clone();
  out.b_dec = b_dec_.clone();
  out.activation = "topk";
  out.k = options_.k;
  return out;
}

}  // namespace saffron::plugins
