#pragma once

#include "framework/recipe/recipe.h"

#include <saffron/context.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace saffron::host {

// Where a long piece of work tells how far it is.
using ProgressFn =
    std::function<void(std::string_view what, std::int64_t done, std::int64_t total)>;

// What all components of one program run share.
struct HostSettings {
  std::int64_t seed = 0;
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
  std::filesystem::path artifacts;  // components' own files go below it
  ProgressFn progress;              // may be empty
};

// The stream of random numbers of (recipe seed, the node's `seed` key, purpose).
[[nodiscard]] Random node_random(std::int64_t recipe_seed, std::int64_t node_seed,
                                 std::string_view purpose);

// One node's Context.
class NodeContext final : public Context {
 public:
  NodeContext(const HostSettings& host, std::string node, std::int64_t seed);
  [[nodiscard]] Random random(std::string_view purpose) const override;
  [[nodiscard]] at::Device device() const override { return host_.device; }
  [[nodiscard]] at::ScalarType dtype() const override { return host_.dtype; }
  [[nodiscard]] std::string node() const override { return node_; }
  [[nodiscard]] std::string artifacts() const override;
  [[nodiscard]] bool cancelled() const override;
  void progress(std::string_view what, std::int64_t done, std::int64_t total) const override;

 private:
  const HostSettings& host_;
  std::string node_;
  std::int64_t seed_;
};

// Ctrl-C, SIGTERM and SIGHUP ask to stop; a second one ends the program at once. The first is answered on
// stderr by `said`, a literal or nullptr.
void catch_interrupts(const char* said = nullptr);
[[nodiscard]] bool interrupted();
// Throws Error (cancelled) once the user asked to stop.
void throw_if_interrupted();

}  // namespace saffron::host
