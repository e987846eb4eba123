#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

namespace saffron::plugins::synth {

[[nodiscard]] inline std::int64_t chunks_of(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

// body(chunk, begin, end) for the chunks of [0, count), in parallel. They do not depend on the
// number of threads, nor does a matrix product inside: one item stays idle, so that there always
// are two and LibTorch enters its parallel region, where products use one thread.
template <class Body>
void for_each_chunk(std::int64_t count, std::int64_t size, const Body& body) {
  const std::int64_t chunks = chunks_of(count, size);
  at::parallel_for(0, std::max<std::int64_t>(chunks, 2), 1,
                   [&](std::int64_t first, std::int64_t last) {
                     for (std::int64_t c = first; c < std::min(last, chunks); ++c) {
                       body(c, c * size, std::min(count, (c + 1) * size));
                     }
                   });
}

}  // namespace saffron::plugins::synth
