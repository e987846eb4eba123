#pragma once

#include "tests/places.h"

#include <saffron/error.h>
#include <saffron/io.h>
#include <saffron/sae.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

// An SAE that is fitted by passes, with tensors of its own in float64.
struct FittedFixture {
  saffron::Sae& sae;
  saffron::Tensors parameters;
  saffron::SaeSpec spec;

  FittedFixture(saffron::Sae& of, const at::Tensor& x, std::uint64_t seed = 1) : sae(of) {
    spec = sae.declare({{{"x", x.size(1)}}, {{"x", x.size(1)}}});
    for (const auto& p : spec.parameters) parameters.set(p.name, at::zeros(p.shape, at::kDouble));
    sae.bind(parameters, {});
    const saffron::ActivationRows rows{.streams = {x}, .origin = {}};
    sae.initialise({.random = saffron::Random(seed),
                    .sample = [&]() -> const saffron::ActivationRows& { return rows; }});
  }

  void observe(const at::Tensor& x, std::int64_t first, std::int64_t end) {
    const at::Tensor rows = x.slice(0, first, end);
    dynamic_cast<saffron::Fitted&>(sae).observe(
        {.inputs = {rows}, .targets = {rows}, .rows_seen = first});
  }
  // One pass in batches; whether another one is wanted.
  bool pass(const at::Tensor& x, std::int64_t batch = 37) {
    for (std::int64_t r = 0; r < x.size(0); r += batch) {
      observe(x, r, std::min(r + batch, x.size(0)));
    }
    return dynamic_cast<saffron::Fitted&>(sae).end_pass();
  }
  // The number of passes.
  int fit(const at::Tensor& x) {
    int passes = 1;
    while (pass(x)) ++passes;
    return passes;
  }

  [[nodiscard]] at::Tensor codes(const at::Tensor& x) const {
    return sae.encode({x}).at(0).to_dense();
  }
  [[nodiscard]] at::Tensor reconstruction(const at::Tensor& x) const {
    return sae.decode(sae.encode({x})).at(0);
  }
  [[nodiscard]] double error(const at::Tensor& x) const {
    return (reconstruction(x) - x).square().sum().item<double>();
  }
};

// A fixture of tests/fixtures/components.
inline saffron::SafetensorsFile component_fixture(const std::string& name) {
  return saffron::SafetensorsFile::open(
      saffron::cat(kSourceDir, "/tests/fixtures/components/", name, ".safetensors"));
}

// Of each row of a, the largest |cosine| with a row of b; the least of them.
inline double worst_match(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor cosines = (a / a.norm(2, {1}, true)).mm((b / b.norm(2, {1}, true)).t());
  return std::get<0>(cosines.abs().max(1)).min().item<double>();
}
