#pragma once

#include <saffron/state.h>

#include <cstdint>
#include <filesystem>
#include <optional>

namespace saffron::host {

// States as single safetensors files (tensors; values and a SHA-256 of it all in the metadata),
// written whole. Reading throws Error (data) when the content is not what was written.
void write_state(const std::filesystem::path& file, const State& state);
[[nodiscard]] State read_state(const std::filesystem::path& file);

// checkpoints/<node>-<step>.safetensors, the last two kept.
class Checkpoints {
 public:
  Checkpoints(std::filesystem::path folder, std::string node);
  void write(std::int64_t step, const State& state) const;
  // The newest that reads whole; a damaged newer one is passed over with a warning.
  [[nodiscard]] std::optional<State> latest() const;
  void clear() const;

 private:
  [[nodiscard]] std::vector<std::pair<std::int64_t, std::filesystem::path>> files() const;

  std::filesystem::path folder_;
  std::string node_;
};

}  // namespace saffron::host
