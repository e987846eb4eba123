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

inline void expect_gradients(const std::map<std::string, at::Tensor>& got, Reference& want) {
  for (const auto& [name, leaf] : want.leaf) {
    if (!leaf.grad().defined()) continue;
    ASSERT_TRUE(got.count(name)) << name;
    EXPECT_TRUE(at::allclose(got.at(name), leaf.grad(), 1e-9, 1e-11))
        << name << '\n' << (got.at(name) - leaf.grad()).abs().max().item<double>();
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
