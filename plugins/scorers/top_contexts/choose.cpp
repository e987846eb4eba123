#include "choose.h"

#include <algorithm>
#include <cmath>

namespace saffron::plugins {
namespace {

// The latents that fired, largest(latent) first.
template <class F>
std::vector<std::int64_t> ordered(const LatentTops& tops, F largest) {
  std::vector<std::int64_t> latents;
  for (std::int64_t i = 0; i < tops.latents(); ++i) {
    if (tops.fired(i) > 0) latents.push_back(i);
  }
  std::stable_sort(latents.begin(), latents.end(),
                   [&](std::int64_t a, std::int64_t b) { return largest(a) > largest(b); });
  return latents;
}

}  // namespace

std::vector<std::int64_t> choose_latents(const LatentTops& tops, Choice choice,
                                         const std::vector<std::int64_t>& ids, std::int64_t count,
                                         Random random) {
  std::vector<std::int64_t> latents;
  switch (choice) {
    case Choice::ids: return ids;
    case Choice::strongest:
      latents =
          ordered(tops, [&](std::int64_t i) { return std::abs(tops.peaks(i).front().strength); });
      break;
    case Choice::frequent:
      latents = ordered(tops, [&](std::int64_t i) { return tops.fired(i); });
      break;
    case Choice::random:
      latents =
          ordered(tops, [&](std::int64_t i) { return random.bits(static_cast<std::uint64_t>(i)); });
      break;
  }
  if (static_cast<std::int64_t>(latents.size()) > count) {
    latents.resize(static_cast<std::size_t>(count));
  }
  return latents;
}

}  // namespace saffron::plugins
