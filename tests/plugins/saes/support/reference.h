#pragma once

#include "tests/plugins/saes/support/sae_fixture.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/mm.h>

#include <gtest/gtest.h>

#include <map>
#include <string>

// The fixture's parameters as autograd leaves, for losses written with plain ops.
struct Reference {
  explicit Reference(const SaeFixture& fixture) {
    for (const auto& [name, tensor] : fixture.parameters) {
      leaf[name] = tensor.clone().requires_grad_(true);
    }
  }
  at::Tensor pre(const at::Tensor& x) {
    return at::mm(x - leaf["b_dec"], leaf["W_enc"].t()) + leaf["b_enc"];
  }
  at::Tensor decoded(const at::Tensor& f) { return at::mm(f, leaf["W_dec"]) + leaf["b_dec"]; }

  std::map<std::string, at::Tensor> leaf;
};

// Thresholds have pseudo-gradients, which autograd does not know.
inline void expect_gradients(const std::map<std::string, at::Tensor>& got, Reference& want) {
  for (const auto& [name, leaf] : want.leaf) {
    if (name.find("threshold") != std::string::npos) continue;
    if (!leaf.grad().defined()) {  // nothing may leak into it
      EXPECT_TRUE(!got.count(name) || got.at(name).eq(0).all().item<bool>()) << name;
      continue;
    }
    ASSERT_TRUE(got.count(name)) << name;
    EXPECT_TRUE(at::allclose(got.at(name), leaf.grad(), 1e-9, 1e-11))
        << name << '\n'
        << (got.at(name) - leaf.grad()).abs().max().item<double>();
  }
}

// mean_b ||y_b||^2
inline at::Tensor mean_square(const at::Tensor& y) { return y.square().sum(1).mean(); }

// 1 on the `count` largest values of ReLU(a) over the whole batch.
inline at::Tensor largest_of_batch(const at::Tensor& a, std::int64_t count) {
  const at::Tensor flat = a.detach().clamp_min(0).flatten();
  const at::Tensor chosen = std::get<1>(flat.topk(count));
  return at::zeros_like(flat).index_fill(0, chosen, 1.0).view(a.sizes()) * a.detach().gt(0);
}

inline saffron::SaeInput rows_of(std::uint64_t seed, std::int64_t d, std::int64_t rows = 13) {
  const at::Tensor x = saffron::Random(seed).fork("x").normal_rows(0, rows, d, at::kDouble) + 0.3;
  saffron::SaeInput input;
  input.inputs = {x};
  input.targets = {x};
  input.steps = 10;
  input.random = saffron::Random(seed).fork("step");
  return input;
}

// The same rows twice.
inline saffron::SaeInput twice(saffron::SaeInput input) {
  for (auto* streams : {&input.inputs, &input.targets}) {
    for (at::Tensor& x : *streams) x = x.repeat({2, 1});
  }
  return input;
}

// Terms and gradients are means over rows, so that a batch and its rows twice agree.
inline void expect_means_over_rows(saffron::Sae& sae, SaeFixture& fixture,
                                   const saffron::SaeInput& input) {
  const auto once = fixture.gradients(sae, input);
  const saffron::Forward one = sae.forward(input), two = sae.forward(twice(input));
  ASSERT_FALSE(one.terms.empty());
  ASSERT_EQ(one.terms.size(), two.terms.size());
  for (std::size_t i = 0; i < one.terms.size(); ++i) {
    EXPECT_NEAR(one.terms[i].value.item<double>(), two.terms[i].value.item<double>(), 1e-10);
    EXPECT_EQ(one.terms[i].weight, two.terms[i].weight);
  }
  for (const auto& [name, gradient] : fixture.gradients(sae, twice(input))) {
    EXPECT_TRUE(at::allclose(gradient, once.at(name), 1e-9, 1e-11)) << name;
  }
}
