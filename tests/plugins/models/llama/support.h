#pragma once

#include "plugins/models/llama/model.h"

#include <saffron/context.h>
#include <saffron/error.h>
#include <saffron/io.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace llama::testing {

class TestContext final : public saffron::Context {
 public:
  saffron::Random random(std::string_view) const override { return saffron::Random(7); }
  at::Device device() const override { return at::kCPU; }
  at::ScalarType dtype() const override { return at::kFloat; }
  std::string node() const override { return "model.lm"; }
  std::string artifacts() const override { return ""; }
  bool cancelled() const override { return stop; }
  void progress(std::string_view, std::int64_t done, std::int64_t total) const override {
    seen.emplace_back(done, total);
  }

  bool stop = false;
  mutable std::vector<std::pair<std::int64_t, std::int64_t>> seen;
};

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(SAFFRON_SOURCE_DIR) / "tests/fixtures/llama" / name;
}

inline const TestContext& quiet() {
  static const TestContext context;
  return context;
}

inline std::unique_ptr<Llama> open(const std::filesystem::path& path,
                                   const std::string& dtype = "float32",
                                   const saffron::Context& context = quiet()) {
  Llama::Options options;
  options.path.value = path.string();
  options.dtype = dtype;
  return std::make_unique<Llama>(options, context);
}

inline std::vector<std::string> names(const Llama& model) {
  std::vector<std::string> result;
  for (const saffron::SiteInfo& site : model.sites()) result.push_back(site.name);
  return result;
}

inline at::Tensor logits(Llama& model, const at::Tensor& tokens,
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

}  // namespace llama::testing
