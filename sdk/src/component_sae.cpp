#include <saffron/component_sae.h>

#include <saffron/ops.h>
#include <saffron/streams.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/relu.h>

namespace saffron::inline sdk_v1 {

using Signs = ComponentOptions::Signs;

Schema<ComponentOptions> ComponentOptions::schema() {
  return Schema<ComponentOptions>{}
      .choice(
          "signs", &ComponentOptions::signs,
          "a component is two latents, one a sign; one latent with a sign; or its positive part",
          {{"split", Signs::split}, {"signed", Signs::both}, {"rectified", Signs::rectified}})
      .param("k", &ComponentOptions::k, "components kept of each row, by magnitude; 0: all",
             non_negative());
}

ComponentSae::ComponentSae(std::string name, const ComponentOptions& options)
    : name_(std::move(name)), options_(options) {}

ComponentSae::~ComponentSae() = default;

SaeSpec ComponentSae::declare(const SaeShape& shape) {
  if (shape.reads.size() != 1 || !same_streams(shape.reads, shape.predicts)) {
    throw Error(cat(name_, " reads one stream and predicts the same one"));
  }
  d_ = shape.reads[0].width;
  m_ = components(d_);
  if (options_.k > m_) {
    throw Error(cat(name_, " cannot keep k = ", options_.k, " of ", m_, " components"));
  }
  SaeSpec spec;
  spec.latents = split() ? 2 * m_ : m_;
  spec.layout = options_.k > 0 ? Codes::Layout::topk : Codes::Layout::dense;
  spec.max_active = options_.k > 0 ? options_.k : m_;
  spec.parameters = {{.name = "W_enc",
                      .shape = {spec.latents, d_},
                      .role = Role::encoder,
                      .per_latent = true,
                      .frozen = true},
                     {.name = "W_dec",
                      .shape = {spec.latents, d_},
                      .role = Role::decoder,
                      .per_latent = true,
                      .frozen = true},
                     {.name = "b_dec", .shape = {d_}, .role = Role::decoder_bias, .frozen = true}};
  return spec;
}

void ComponentSae::bind(const Tensors& parameters, const Tensors&) {
  W_enc_ = parameters["W_enc"];
  W_dec_ = parameters["W_dec"];
  b_dec_ = parameters["b_dec"];
}

void ComponentSae::initialise(const InitInput& init) {
  W_enc_.zero_();
  W_dec_.zero_();
  initialise_own(init);
}

void ComponentSae::initialise_own(const InitInput& init) {
  b_dec_.copy_(init.sample().streams.at(0).mean(0));
}

void ComponentSae::set(const at::Tensor& encoder, const at::Tensor& decoder,
                       const at::Tensor& centre) {
  W_enc_.slice(0, 0, m_).copy_(encoder);
  W_dec_.slice(0, 0, m_).copy_(decoder);
  if (split()) {
    W_enc_.slice(0, m_).copy_(-encoder);
    W_dec_.slice(0, m_).copy_(-decoder);
  }
  b_dec_.copy_(centre);
}

std::vector<Codes> ComponentSae::encode(const std::vector<at::Tensor>& inputs) const {
  const at::Tensor rows = inputs.at(0) - b_dec_, directions = W_enc_.slice(0, 0, m_);
  const bool rectified = options_.signs == Signs::rectified;
  if (options_.k > 0) {
    const Codes kept = ops::encode_topk(rows, directions, {}, options_.k,
                                        rectified ? ops::Keep::rectified : ops::Keep::magnitude);
    if (!split()) return {kept};
    const at::Tensor negative = kept.values().lt(0).to(at::kInt);
    return {Codes::topk(kept.values().abs(), kept.indices() + negative * m_, 2 * m_)};
  }
  const at::Tensor c = rows.mm(directions.t());
  if (split()) return {Codes::dense(at::cat({at::relu(c), at::relu(-c)}, 1))};
  return {Codes::dense(rectified ? at::relu(c) : c)};
}

std::vector<at::Tensor> ComponentSae::decode(const std::vector<Codes>& codes) const {
  return {ops::decode(codes.at(0), W_dec_, b_dec_)};
}

Forward ComponentSae::forward(const SaeInput& input) {
  Forward out;
  out.codes = encode(input.inputs);
  out.reconstructions = decode(out.codes);
  return out;
}

void ComponentSae::backward(const SaeInput&, const Forward&, const Upstream&, Gradients&) {}

// The k largest of [c, -c] are the k largest |c|.
CanonicalSae ComponentSae::canonical() const {
  CanonicalSae out;
  out.W_enc = W_enc_.t().contiguous();
  out.W_dec = W_dec_.clone();
  out.b_dec = b_dec_.clone();
  const bool both = options_.signs == Signs::both;
  out.activation = both ? "abs_topk" : options_.k > 0 ? "topk" : "relu";
  if (both || options_.k > 0) out.k = options_.k > 0 ? options_.k : m_;
  return out;
}

}  // namespace saffron::inline sdk_v1
