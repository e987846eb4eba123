#pragma once

#include <saffron/schema.h>

#include <cstdint>

namespace saffron::inline sdk_v1 {

// How many latents are active in step t of T: k, or on the way there from k_start,
//
//   k(t) = round(k_start + (k - k_start) min(1, t / (k_anneal T)))
struct KOptions {
  std::int64_t k = 32;
  std::int64_t k_start = 0;  // 0: k from the start
  double k_anneal = 0.5;

  // The largest k that any step uses.
  [[nodiscard]] SAFFRON_EXPORT std::int64_t largest() const;
  [[nodiscard]] SAFFRON_EXPORT std::int64_t at(std::int64_t step, std::int64_t steps) const;
  [[nodiscard]] static SAFFRON_EXPORT Schema<KOptions> schema();
};

// "" or what is wrong with k beside a width.
[[nodiscard]] SAFFRON_EXPORT std::string k_problem(const KOptions& k, std::int64_t width);

}  // namespace saffron::inline sdk_v1
