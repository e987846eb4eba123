#pragma once

#include "plugins/sources/activations/activations.h"
#include "tests/plugins/sources/fakes.h"

#include <saffron/io.h>

#include <ATen/ops/arange.h>

#include <memory>

namespace saffron::source_test {

using plugins::Activations;

// A folder that is written by the test, and the options that read it.
struct Bench {
  Bench() { options.path.value = folder.path().string(); }
  std::unique_ptr<Activations> make() const {
    return std::make_unique<Activations>(options, context);
  }
  void write(const std::string& name, const NamedTensors& tensors) const {
    write_safetensors(folder / name, tensors);
  }

  TemporaryFolder folder;
  FakeContext context;
  Activations::Options options;
};

// Rows [first, first + count) of a stream whose value at (row, column) is 10 row + column.
inline at::Tensor counted(std::int64_t first, std::int64_t count, std::int64_t width,
                          at::ScalarType dtype = at::kFloat) {
  const at::Tensor rows = at::arange(first, first + count, at::kDouble).mul(10).unsqueeze(1);
  return rows.add(at::arange(width, at::kDouble).unsqueeze(0)).to(dtype);
}

// The row that a counted row is.
inline std::int64_t row_of(const at::Tensor& row) {
  return static_cast<std::int64_t>(row[0].item<double>() / 10);
}

}  // namespace saffron::source_test
