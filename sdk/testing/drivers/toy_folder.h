#pragma once

#include "testing/driver.h"

#include <saffron/format.h>

#include <filesystem>
#include <string>

// Folders of formats: where they are written, and SAEs to write.

namespace saffron::testing {

// A folder of its own below the system's temporary one, gone with it.
class ToyFolder {
 public:
  ToyFolder();
  ~ToyFolder();
  ToyFolder(const ToyFolder&) = delete;
  ToyFolder& operator=(const ToyFolder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The regular files below a folder, sorted.
[[nodiscard]] std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder);

// The toy SAE and its canonical weights.
struct ToyWeights {
  std::shared_ptr<TrainedSae> trained;
  CanonicalSae canonical;
  explicit ToyWeights(std::uint64_t seed = 1);
};

// The same in tensors of its own: nobody else's to write to.
[[nodiscard]] CanonicalSae copied(const CanonicalSae& sae);

// Writes it; skips the check where the format cannot express it (Error invalid).
void write_toy(const Format& format, const ToyWeights& toy, const std::string& folder);

}  // namespace saffron::testing
