#pragma once

#include <saffron/context.h>

#include <filesystem>

namespace saffron::host {

// The context of a component that is created alone, only to see whether it can be: CPU, float32,
// fixed randomness, a temporary directory that goes with the context.
class LoneContext final : public Context {
 public:
  LoneContext() = default;
  ~LoneContext() override;
  LoneContext(const LoneContext&) = delete;
  LoneContext& operator=(const LoneContext&) = delete;

  [[nodiscard]] Random random(std::string_view purpose) const override;
  [[nodiscard]] at::Device device() const override;
  [[nodiscard]] at::ScalarType dtype() const override;
  [[nodiscard]] std::string node() const override;
  [[nodiscard]] std::string artifacts() const override;
  [[nodiscard]] bool cancelled() const override;
  void progress(std::string_view what, std::int64_t done, std::int64_t total) const override;

 private:
  mutable std::filesystem::path artifacts_;
};

// Services without any other node: every reference is an Error (invalid).
class LoneServices final : public Services {
 public:
  [[nodiscard]] std::shared_ptr<void> reference(std::string_view kind, const std::string& node,
                                                const Origin& origin) override;
  [[nodiscard]] std::vector<std::string> expand(std::string_view kind, const std::string& node,
                                                const Origin& origin) override;
  [[nodiscard]] std::shared_ptr<void> child(std::string_view kind, const Value& config) override;
  [[nodiscard]] const Context& context() const override { return context_; }

 private:
  LoneContext context_;
};

}  // namespace saffron::host
