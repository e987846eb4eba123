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

  SaeFixture(saffron::Sae& sae, std::int64_t d, std::uint64_t seed) {
    spec = sae.declare({{{"x", d}}, {{"x", d}}});
    for (const auto& p : spec.parameters) parameters.set(p.name, at::zeros(p.shape, at::kDouble));
    for (const auto& b : spec.buffers) buffers.set(b.name, at::full(b.shape, b.initial, b.dtype));
    sae.bind(parameters, buffers);
    saffron::ActivationRows rows;
    rows.streams = {saffron::Random(seed).fork("sample").normal_rows(0, 64, d, at::kDouble)};
    sae.initialise({.random = saffron::Random(seed),
                    .sample = [&]() -> const saffron::ActivationRows& { return rows; }});
    // Biases away from zero, so that their gradients matter.
    at::Tensor b_enc = parameters["b_enc"];
    b_enc.add_(
        0.1 *
        saffron::Random(seed).fork("b").normal_rows(0, 1, spec.latents, at::kDouble).squeeze(0));
  }

  // Gradients in full, of forward + backward with the squared error summed over d.
  std::map<std::string, at::Tensor> gradients(saffron::Sae& sae, const saffron::SaeInput& input,
                                              const at::Tensor& code_gradient = {}) {
    const saffron::Forward forward = sae.forward(input);
    saffron::Upstream upstream;
    upstream.codes = {code_gradient};
    upstream.reconstructions = {2 * (forward.reconstructions[0] - input.targets[0]).detach() /
                                static_cast<double>(input.inputs[0].size(0))};
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
