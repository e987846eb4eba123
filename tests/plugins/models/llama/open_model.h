#pragma once

#include "plugins/models/llama/model.h"

#include <saffron/context.h>
#include <saffron/random.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A model without a host.

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

}  // namespace llama::testing
