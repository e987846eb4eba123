#pragma once

#include <saffron/world.h>

#include <cstdint>
#include <memory>

namespace saffron::inline sdk_v1 {

// Capability of a world that is drawn from many alike, with as many rewards each: how distances and
// regret go together is a question about all of them. The world itself is member 0.
class SAFFRON_EXPORT WorldFamily {
 public:
  virtual ~WorldFamily();
  [[nodiscard]] virtual std::int64_t members() const = 0;
  // The same world whenever it is asked for. Thread-safe.
  [[nodiscard]] virtual std::unique_ptr<World> member(std::int64_t i) const = 0;
  // The number of the environment of member i. Members of one environment share its dynamics and are
  // no independent draws.
  [[nodiscard]] virtual std::int64_t environment(std::int64_t i) const = 0;
};

}  // namespace saffron::inline sdk_v1
