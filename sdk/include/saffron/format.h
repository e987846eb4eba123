#pragma once

#include <saffron/sae.h>

#include <memory>
#include <string>

namespace saffron::inline sdk_v1 {

// Another library's files for a trained SAE, both ways. write is atomic: a folder that exists is
// whole, and one that a write could not finish is gone. A bias that is undefined means 0. Error (data)
// with file and tensor for content that does not fit; Error (invalid) for an SAE that the format cannot
// express; Error (io) for what the system refuses.
class SAFFRON_EXPORT Format {
 public:
  static constexpr const char* kKind = "format";
  static constexpr const char* kInterface = "saffron.format/1";
  using Interface = Format;

  Format() = default;
  Format(const Format&) = delete;
  Format& operator=(const Format&) = delete;
  virtual ~Format();

  [[nodiscard]] virtual bool recognises(const std::string& folder) const = 0;
  [[nodiscard]] virtual CanonicalSae read(const std::string& folder) const = 0;
  virtual void write(const TrainedSae& sae, const CanonicalSae& weights,
                     const std::string& folder) const = 0;
};

}  // namespace saffron::inline sdk_v1
