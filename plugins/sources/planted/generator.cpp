#include "generator.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

namespace saffron::plugins {
namespace {

constexpr std::int64_t kChunkRows = 256;

Codes join(const std::vector<SparseRows>& chunks, std::int64_t features) {
  std::int64_t rows = 0, entries = 0;
  for (const SparseRows& chunk : chunks) {
    rows += static_cast<std::int64_t>(chunk.ends.size());
    entries += static_cast<std::int64_t>(chunk.indices.size());
  }
  const auto ints = at::TensorOptions().dtype(at::kInt);
  at::Tensor offsets = at::empty({rows + 1}, ints), indices = at::empty({entries}, ints);
  at::Tensor values = at::empty({entries}), overflow = at::empty({}, ints).zero_();
  auto* offset = offsets.mutable_data_ptr<std::int32_t>();
  auto* index = indices.mutable_data_ptr<std::int32_t>();
  auto* value = values.mutable_data_ptr<float>();
  *offset = 0;
  for (const SparseRows& chunk : chunks) {
    const std::int32_t start = *offset;
    for (const std::int32_t end : chunk.ends) *++offset = start + end;
    index = std::copy(chunk.indices.begin(), chunk.indices.end(), index);
    value = std::copy(chunk.values.begin(), chunk.values.end(), value);
  }
  return Codes::csr(values, indices, offsets, overflow, features);
}

}  // namespace

Codes Generator::draw(std::int64_t first, std::int64_t count) const {
  std::vector<SparseRows> chunks(static_cast<std::size_t>((count + kChunkRows - 1) / kChunkRows));
  at::parallel_for(0, static_cast<std::int64_t>(chunks.size()), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t c = begin; c < end; ++c) {
                       const std::int64_t row = c * kChunkRows;
                       chunks[static_cast<std::size_t>(c)] =
                           draw_chunk(first + row, std::min(kChunkRows, count - row));
                     }
                   });
  return join(chunks, settings_.features);
}

}  // namespace saffron::plugins
