#pragma once

#include <saffron/ops.h>
#include <saffron/sae.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/zeros.h>

#include <map>

// An SAE with tensors of its own in float64, for tests of loss and gradients.
struct SaeFixture {
  saffron::Tensors parameters, buffers;
  saffron::SaeSpec spec;

  SaeFixture(saffron::Sae& sae, std::int64_t d, std::uint64_t seed)
      : SaeFixture(sae, saffron::SaeShape{{{"x", d}}, {{"x", d}}}, seed) {}

  SaeFixture(saffron::Sae& sae, const saffron::SaeShape& shape, std::uint64_t seed) {
    spec = sae.declare(shape);
    for (const auto& p : spec.parameters) parameters.set(p.name, at::zeros(p.shape, at::kDouble));
    for (const auto& b : spec.buffers) buffers.set(b.name, at::full(b.shape, b.initial, b.dtype));
    sae.bind(parameters, buffers);
    saffron::ActivationRows rows;
    saffron::Random sample = saffron::Random(seed).fork("sample");
    for (const auto* streams : {&shape.reads, &shape.predicts}) {
      if (streams == &shape.predicts && shape.predicts[0].name == shape.reads[0].name) continue;
      for (const auto& stream : *streams) {
        rows.streams.push_back(sample.normal_rows(0, 64, stream.width, at::kDouble));
        sample = sample.fork("next");
      }
    }
    sae.initialise({.random = saffron::Random(seed),
                    .sample = [&]() -> const saffron::ActivationRows& { return rows; }});
    // Biases away from zero, so that their gradients matter.
    saffron::Random noise = saffron::Random(seed).fork("b");
    for (const auto& p : spec.parameters) {
      if (p.name.rfind("b_enc", 0) != 0) continue;
      at::Tensor b_enc = parameters[p.name];
      b_enc.add_(0.1 * noise.normal_rows(0, 1, spec.latents, at::kDouble).squeeze(0));
      noise = noise.fork("next");
    }
  }

  // Gradients in full, of forward + backward with the squared error summed over d.
  std::map<std::string, at::Tensor> gradients(saffron::Sae& sae, const saffron::SaeInput& input,
                                              const at::Tensor& code_gradient = {}) {
    const saffron::Forward forward = sae.forward(input);
    saffron::Upstream upstream;
    upstream.codes.resize(forward.codes.size());
    upstream.codes[0] = code_gradient;
    for (std::size_t t = 0; t < input.targets.size(); ++t) {
      upstream.reconstructions.push_back(2 *
                                         (forward.reconstructions[t] - input.targets[t]).detach() /
                                         static_cast<double>(input.inputs[0].size(0)));
    }
    saffron::Gradients collected;
    sae.backward(input, forward, upstream, collected);
    std::map<std::string, at::Tensor> out;
    for (const auto& [name, gradient] : collected) {
      at::Tensor total = gradient.dense;
      for (const auto& term : gradient.factored) {
        const at::Tensor formed = saffron::ops::form_gradient(term);
        total = total.defined() ? total + formed : formed;
      }
      out[name] = total;
    }
    return out;
  }
};
