#include <saffron/sae.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

namespace saffron::inline sdk_v1 {
namespace {

// Rows of another dtype than the parameters' would fail inside a product, far from here.
void require_dtype(const Tensors& parameters, const at::Tensor& x) {
  for (const auto& [name, tensor] : parameters) {
    if (x.scalar_type() == tensor.scalar_type()) return;
    throw Error(cat("the rows are ", c10::toString(x.scalar_type()), ", the parameters ",
                    c10::toString(tensor.scalar_type())));
  }
}

}  // namespace

SimpleSae::~SimpleSae() = default;

SaeSpec SimpleSae::declare(const SaeShape& shape) {
  if (shape.reads.size() != 1 || shape.predicts.size() != 1) {
    throw Error(cat("this SAE reads one stream and predicts one, not ", shape.reads.size(), " and ",
                    shape.predicts.size()));
  }
  return declare_simple(shape.reads[0].width, shape.predicts[0].width);
}

void SimpleSae::bind(const Tensors& parameters, const Tensors& buffers) {
  parameters_ = parameters;
  buffers_ = buffers;
}

const at::Tensor& SimpleSae::p(std::string_view name) const { return parameters_[name]; }
const at::Tensor& SimpleSae::buffer(std::string_view name) const { return buffers_[name]; }

std::vector<Codes> SimpleSae::encode(const std::vector<at::Tensor>& inputs) const {
  require_dtype(parameters_, inputs.at(0));
  const c10::AutoGradMode no_grad(false);
  return {encode_rows(inputs.at(0))};
}

std::vector<at::Tensor> SimpleSae::decode(const std::vector<Codes>& codes) const {
  const c10::AutoGradMode no_grad(false);
  return {decode_codes(codes.at(0))};
}

std::vector<Forward::Term> SimpleSae::extra_terms(const SaeInput&, const Codes&,
                                                  const at::Tensor&) {
  return {};
}

// The parameters are swapped for detached aliases that require a gradient, so that the graph's leaves
// are this step's alone and the host's tensors never carry autograd state.
Forward SimpleSae::forward(const SaeInput& input) {
  require_dtype(parameters_, input.inputs.at(0));
  Tensors leaves;
  for (const auto& [name, tensor] : parameters_) {
    leaves.set(name, tensor.detach().requires_grad_(true));
  }
  parameters_ = std::move(leaves);

  const c10::AutoGradMode with_grad(true);
  Forward out;
  out.codes = {encode_rows(input.inputs.at(0))};
  out.reconstructions = {decode_codes(out.codes[0])};
  out.terms = extra_terms(input, out.codes[0], out.reconstructions[0]);
  for (Forward::Term& term : out.terms) {
    const at::Tensor weighted = term.value * term.weight;
    out.loss = out.loss.defined() ? out.loss + weighted : weighted;
    term.value = term.value.detach();
  }
  return out;
}

void SimpleSae::backward(const SaeInput&, const Forward& forward, const Upstream& upstream,
                         Gradients& gradients) {
  const c10::AutoGradMode with_grad(true);
  at::Tensor total = forward.loss;
  const auto add = [&](const at::Tensor& leaf, const at::Tensor& gradient) {
    if (!gradient.defined()) return;
    const at::Tensor term = (leaf * gradient).sum();
    total = total.defined() ? total + term : term;
  };
  add(forward.codes[0].values(), upstream.codes.at(0));
  add(forward.reconstructions[0], upstream.reconstructions.at(0));
  if (total.defined() && total.requires_grad()) total.backward();

  Tensors plain;
  for (const auto& [name, leaf] : parameters_) {
    const at::Tensor gradient = leaf.grad();
    if (gradient.defined()) gradients[name].add_dense(gradient);
    plain.set(name, leaf.detach());
  }
  parameters_ = std::move(plain);
}

}  // namespace saffron::inline sdk_v1
