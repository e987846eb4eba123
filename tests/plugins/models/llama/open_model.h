#pragma once

#include "tests/places.h"

#include <saffron/abi.h>
#include <saffron/context.h>
#include <saffron/error.h>
#include <saffron/model.h>
#include <saffron/value.h>

#include <dlfcn.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The plugin's model, made through the plugin's own entry, as a host would.

namespace llama_test {

// Counts what is read, and stops the reading where a test says so.
class ReadingContext final : public saffron::Context {
 public:
  saffron::Random random(std::string_view purpose) const override {
    return saffron::Random(1).fork(purpose);
  }
  at::Device device() const override { return at::kCPU; }
  at::ScalarType dtype() const override { return at::kFloat; }
  std::string node() const override { return "model.test"; }
  std::string artifacts() const override { return {}; }
  bool cancelled() const override { return stop; }
  void progress(std::string_view, std::int64_t done, std::int64_t total) const override {
    seen.emplace_back(done, total);
  }

  bool stop = false;
  mutable std::vector<std::pair<std::int64_t, std::int64_t>> seen;
};

// A model refers to no other node.
class NoServices final : public saffron::Services {
 public:
  explicit NoServices(const saffron::Context& context) : context_(context) {}
  std::shared_ptr<void> reference(std::string_view, const std::string&,
                                  const saffron::Origin&) override {
    return nullptr;
  }
  std::vector<std::string> expand(std::string_view, const std::string&,
                                  const saffron::Origin&) override {
    return {};
  }
  std::shared_ptr<void> child(std::string_view, const saffron::Value&) override { return nullptr; }
  const saffron::Context& context() const override { return context_; }

 private:
  const saffron::Context& context_;
};

inline const saffron_component& component() {
  static const saffron_component& found = []() -> const saffron_component& {
    const std::string path = std::string(kBuildDir) + "/lib/saffron/plugins/libllama.so";
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw saffron::Error(saffron::ErrorKind::plugin, ::dlerror());
    const auto entry =
        reinterpret_cast<saffron_plugin_entry_fn>(::dlsym(library, SAFFRON_ABI_ENTRY));
    return entry(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR)->components[0];
  }();
  return found;
}

inline const ReadingContext& quiet() {
  static const ReadingContext context;
  return context;
}

inline std::shared_ptr<saffron::Model> make(const saffron::Value& config,
                                            const saffron::Context& context = quiet()) {
  NoServices services(context);
  saffron_error failure{};
  failure.size = sizeof failure;
  void* made = component().create(&config, &services, &failure);
  if (made == nullptr) {
    throw saffron::Error(static_cast<saffron::ErrorKind>(failure.kind), failure.message)
        .within(failure.where)
        .with_help(failure.help);
  }
  return {static_cast<saffron::Model*>(made), component().destroy};
}

inline std::shared_ptr<saffron::Model> open(const std::filesystem::path& path,
                                            const std::string& dtype = "float32",
                                            const saffron::Context& context = quiet()) {
  saffron::Value config = saffron::Value::table();
  config.set("path", path.string());
  config.set("dtype", dtype);
  return make(config, context);
}

}  // namespace llama_test
