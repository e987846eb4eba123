#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace saffron::inline sdk_v1::rewards {

// f(i, j) of all ordered pairs of `count` rewards, which are independent, several threads sharing them.
// `work`: about how many additions one of them takes.
template <class F>
void each_pair(std::int64_t count, std::int64_t work, F f) {
  const std::int64_t grain = std::max<std::int64_t>(1, 200'000 / std::max<std::int64_t>(work, 1));
  at::parallel_for(0, count * count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) f(at / count, at % count);
  });
}

}  // namespace saffron::inline sdk_v1::rewards
