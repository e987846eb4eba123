#pragma once

#include "parse.h"

#include <ATen/core/Tensor.h>

namespace saffron::io_detail {

// What a tensor is in its file: where, of which elements, in which order.
struct TensorLayout {
  std::uint64_t offset = 0;
  std::vector<std::int64_t> shape;
  at::ScalarType dtype = at::kFloat;
  bool fortran = false;
};

// The tensor as a view of `file` when the file has an owner (which the tensor then keeps alive) and
// the data is aligned to its elements; else as a copy. The bounds are the caller's to have checked.
// A bool must be 0 or 1: anything else throws, naming `what`.
[[nodiscard]] at::Tensor view_tensor(const ByteView& file, const TensorLayout& layout,
                                     std::string_view source, std::string_view what);

// On the CPU, contiguous, without gradient: what the writers write. `what` names it in an Error.
[[nodiscard]] at::Tensor plain(const at::Tensor& tensor, std::string_view what);
[[nodiscard]] std::span<const std::byte> bytes_of(const at::Tensor& contiguous);

// Throws Error (invalid) unless begin and count lie within the first dimension.
void check_rows(std::string_view source, const TensorInfo& tensor, std::int64_t begin,
                std::int64_t count);

// Bytes of one row: of everything but the first dimension. Call after check_rows.
[[nodiscard]] std::uint64_t row_bytes(const TensorInfo& tensor);

}  // namespace saffron::io_detail
