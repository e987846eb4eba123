#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace saffron::plugins {

// A tensor of a file, by name; `place` says where it is: "acts.safetensors, tensor 'resid'". Its
// values are undefined when it was not read.
struct NamedArray {
  std::string name;
  std::string place;
  at::Tensor values;
};

// One stream's rows in one file: [rows, width] or [contexts, positions, width], of F64 F32 F16 or
// BF16, in the file's memory map and in any strides.
class StreamRows {
 public:
  explicit StreamRows(NamedArray array);  // Error (data) for another shape

  [[nodiscard]] const std::string& name() const { return array_.name; }
  [[nodiscard]] const std::string& place() const { return array_.place; }
  [[nodiscard]] at::ScalarType dtype() const { return array_.values.scalar_type(); }
  [[nodiscard]] bool has_contexts() const { return array_.values.dim() == 3; }
  [[nodiscard]] std::int64_t contexts() const { return array_.values.size(0); }
  [[nodiscard]] std::int64_t positions() const {
    return has_contexts() ? array_.values.size(1) : 1;
  }
  [[nodiscard]] std::int64_t rows() const { return contexts() * positions(); }
  [[nodiscard]] std::int64_t width() const { return array_.values.size(-1); }

  // Converts row `row` to float or double; false when a value is not finite then.
  template <class T>
  [[nodiscard]] bool copy(std::int64_t row, T* to) const;
  // For a row that copy refused: Error (data) with its first value that is not finite as `as`.
  [[noreturn]] void refuse(std::int64_t row, at::ScalarType as) const;

 private:
  NamedArray array_;
  const std::byte* data_;
  std::int64_t outer_, inner_, step_;  // strides of contexts, positions and columns, in elements
};

// A set of files' tensors that belong together: row r of every stream is one event.
//
//   origin of row r   from `origin` int64 [rows, 2]; else (context, position) where the shape says,
//                     or a tensor `tokens` [contexts, positions] that has as many entries as rows
//
// Tensors of integers and booleans that are not called origin or tokens are passed over.
class Shard {
 public:
  // `wanted`: the streams in order; empty: all there are, by name. Error (data).
  Shard(std::string path, std::vector<NamedArray> arrays, const std::vector<std::string>& wanted);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::vector<StreamRows>& streams() const { return streams_; }
  [[nodiscard]] std::int64_t rows() const { return streams_.front().rows(); }
  [[nodiscard]] std::int64_t bytes() const;
  [[nodiscard]] bool has_origin() const { return origin_.defined() || positions_ > 0; }
  // Positions of every context; 0 where contexts are not known to have one length.
  [[nodiscard]] std::int64_t positions() const { return positions_; }
  [[nodiscard]] std::int64_t contexts() const { return positions_ > 0 ? rows() / positions_ : 0; }
  // (dataset row, position); contexts of a shape are numbered from first_context.
  void copy_origin(std::int64_t row, std::int64_t first_context, std::int64_t* to) const;

  // Error (data) unless the streams are those of `first`: names, widths, dtypes, kind of shape.
  void check_like(const Shard& first) const;

 private:
  void choose_streams(const std::vector<NamedArray>& arrays,
                      const std::vector<std::string>& wanted);
  void find_origin(const NamedArray* origin, const NamedArray* tokens);

  std::string path_;
  std::vector<StreamRows> streams_;
  at::Tensor origin_;  // int64 [rows, 2] or undefined
  std::int64_t positions_ = 0;
};

}  // namespace saffron::plugins
