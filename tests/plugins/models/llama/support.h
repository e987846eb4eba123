#pragma once

#include "open_model.h"
#include "tests/places.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace llama_test {

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(kSourceDir) / "tests/fixtures/llama" / name;
}

inline std::vector<std::string> names(const saffron::Model& model) {
  std::vector<std::string> result;
  for (const saffron::SiteInfo& site : model.sites()) result.push_back(site.name);
  return result;
}

inline at::Tensor logits(saffron::Model& model, const at::Tensor& tokens,
                         const std::vector<saffron::Edit>& edits = {}) {
  return model.run(tokens, {}, edits, true).logits;
}

inline double distance(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

// The text of the Error that `body` throws.
template <class F>
std::string error_of(F&& body) {
  try {
    body();
  } catch (const saffron::Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "no saffron::Error was thrown";
  return {};
}

}  // namespace llama_test
