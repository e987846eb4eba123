#pragma once

#include <saffron/random.h>
#include <saffron/source.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>

#include <algorithm>

// Rows 0, 1, 2, ... of a fixed number, in blocks of `block_rows`; stream "x" [R, width] starts with the
// row's number (times `number_scale`), the rest are normal draws of that row.
class ToySource final : public saffron::Source {
 public:
  ToySource(std::int64_t rows, std::int64_t block_rows, std::int64_t width = 1,
            double number_scale = 1)
      : rows_(rows), width_(width), number_scale_(number_scale) {
    info_.block_rows = block_rows;
    info_.blocks =
        rows == saffron::kEndless ? saffron::kEndless : (rows + block_rows - 1) / block_rows;
  }
  const std::vector<saffron::StreamInfo>& streams() const override { return streams_; }
  const saffron::SourceInfo& info() override { return info_; }
  saffron::ActivationRows block(std::int64_t index) override {
    ++made;
    const std::int64_t first = index * info_.block_rows, count = rows_of(index);
    const at::Tensor number =
        at::arange(first, first + count, at::TensorOptions().dtype(at::kDouble)).unsqueeze(1);
    saffron::ActivationRows out;
    out.streams = {at::cat({number * number_scale_,
                            saffron::Random(1).normal_rows(first, count, width_ - 1, at::kDouble)},
                           1)};
    return out;
  }
  std::int64_t rows_of(std::int64_t index) override {
    if (rows_ == saffron::kEndless) return info_.block_rows;
    return std::min(info_.block_rows, rows_ - index * info_.block_rows);
  }
  int made = 0;

 private:
  std::int64_t rows_, width_;
  double number_scale_;
  saffron::SourceInfo info_;
  std::vector<saffron::StreamInfo> streams_{{"x", width_}};
};
