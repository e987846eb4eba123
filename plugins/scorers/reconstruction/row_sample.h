#pragma once

#include <saffron/state.h>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace saffron::plugins {

// Rows of one stream with their squared errors, kept for what needs the final mean before it can
// look at a row: all rows up to `capacity`, beyond that those with the smallest keys. A key is a
// hash of the row's numbers and of its origin, so the sample is uniform and depends neither on the
// order of the rows nor on how they were split between accumulators.
class RowSample {
 public:
  RowSample(std::int64_t capacity, std::int64_t width, std::int64_t columns);

  // x [R, width]; errors float64 [R, columns]; origin int64 [R, 2] or undefined.
  void add(const at::Tensor& x, const at::Tensor& errors, const at::Tensor& origin);
  void merge(const RowSample& other);
  void save(Tensors& out, const std::string& prefix) const;
  void load(const Tensors& in, const std::string& prefix);

  // In ascending order of keys.
  [[nodiscard]] const at::Tensor& rows() const { return x_; }         // [m, width]
  [[nodiscard]] const at::Tensor& errors() const { return errors_; }  // [m, columns]

 private:
  void keep_smallest(const at::Tensor& keys, const at::Tensor& x, const at::Tensor& errors);

  std::int64_t capacity_;
  at::Tensor keys_, x_, errors_;  // int64 [m], [m, width], float64 [m, columns]
};

}  // namespace saffron::plugins
