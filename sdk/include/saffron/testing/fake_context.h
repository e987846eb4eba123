#pragma once

#include <saffron/context.h>

#include <string>

namespace saffron::testing {

// A context for tests of single components: a seed, a dtype, a device, and nothing around it.
class FakeContext : public Context {
 public:
  explicit FakeContext(std::uint64_t seed = 1, at::ScalarType dtype = at::kFloat,
                       at::Device device = at::kCPU)
      : seed_(seed), dtype_(dtype), device_(device) {}

  [[nodiscard]] Random random(std::string_view purpose) const override {
    return Random(seed_).fork(purpose);
  }
  [[nodiscard]] at::Device device() const override { return device_; }
  [[nodiscard]] at::ScalarType dtype() const override { return dtype_; }
  [[nodiscard]] std::string node() const override { return "test"; }
  [[nodiscard]] std::string artifacts() const override { return {}; }
  [[nodiscard]] bool cancelled() const override { return false; }
  void progress(std::string_view, std::int64_t, std::int64_t) const override {}

 private:
  std::uint64_t seed_;
  at::ScalarType dtype_;
  at::Device device_;
};

}  // namespace saffron::testing
