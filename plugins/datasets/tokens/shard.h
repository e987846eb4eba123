#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>

namespace saffron::plugins {

// One file's ids: int32, int64 or uint16, [n] or [rows, columns], in the file's memory map.
class Shard {
 public:
  // `tensor`: which one of a safetensors file; "" where it has only one. Error (data, io).
  Shard(std::string path, const std::string& tensor);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool is_matrix() const { return ids_.dim() == 2; }
  [[nodiscard]] std::int64_t count() const { return ids_.numel(); }
  // Of a matrix; a vector is one row.
  [[nodiscard]] std::int64_t columns() const { return ids_.size(-1); }

  // Positions count through the ids in row-major order.
  void copy(std::int64_t begin, std::int64_t length, std::int64_t* to) const;
  // The largest id. Error (data) with its place for one that is negative, or `vocabulary` or more
  // (-1: no bound).
  [[nodiscard]] std::int64_t check(std::int64_t vocabulary) const;
  // "row 2, column 3" or "token 7".
  [[nodiscard]] std::string place(std::int64_t position) const;

 private:
  template <class F>
  decltype(auto) with_ids(F&& f) const;

  std::string path_;
  at::Tensor ids_;  // contiguous
};

}  // namespace saffron::plugins
