#include "tensor_view.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

namespace saffron::io_detail {
namespace {

std::vector<std::int64_t> strides_of(const TensorLayout& layout) {
  const std::size_t dims = layout.shape.size();
  std::vector<std::int64_t> strides(dims, 1);
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < dims; ++i) {
    const std::size_t dim = layout.fortran ? i : dims - 1 - i;
    strides[dim] = stride;
    stride *= std::max<std::int64_t>(layout.shape[dim], 1);
  }
  return strides;
}

}  // namespace

at::Tensor view_tensor(const ByteView& file, const TensorLayout& layout, std::string_view source,
                       std::string_view what) {
  const std::size_t item = c10::elementSize(layout.dtype);
  const auto count = element_count(layout.shape).value_or(0);
  const auto options = at::TensorOptions().dtype(layout.dtype);
  if (count == 0) return at::empty(layout.shape, options);

  const std::span<const std::byte> data = file.bytes.subspan(layout.offset, count * item);
  if (layout.dtype == at::kBool) {
    const auto wrong = std::find_if(data.begin(), data.end(),
                                    [](std::byte b) { return std::to_integer<int>(b) > 1; });
    if (wrong != data.end()) {
      throw bad(source, cat(what, ": element ", wrong - data.begin(), " is ",
                            std::to_integer<int>(*wrong), ", but a bool is 0 or 1"));
    }
  }
  const auto strides = strides_of(layout);
  const bool aligned = reinterpret_cast<std::uintptr_t>(data.data()) % item == 0;
  if (file.owner && aligned) {
    auto* start = const_cast<std::byte*>(data.data());
    return at::from_blob(start, layout.shape, strides, [owner = file.owner](void*) {}, options);
  }
  at::Tensor copy = at::empty_strided(layout.shape, strides, options);
  std::memcpy(copy.mutable_data_ptr(), data.data(), data.size());
  return copy;
}

at::Tensor plain(const at::Tensor& tensor, std::string_view what) {
  if (!tensor.defined()) throw Error(cat("cannot write ", what, ": it is undefined"));
  if (tensor.layout() != c10::kStrided) {
    throw Error(cat("cannot write ", what, ": it is sparse")).with_help("write to_dense() of it");
  }
  return tensor.detach().cpu().contiguous().resolve_neg();
}

std::span<const std::byte> bytes_of(const at::Tensor& contiguous) {
  return {static_cast<const std::byte*>(contiguous.const_data_ptr()), contiguous.nbytes()};
}

void check_rows(std::string_view source, const TensorInfo& tensor, std::int64_t begin,
                std::int64_t count) {
  const std::int64_t rows = tensor.shape.empty() ? 0 : tensor.shape.front();
  if (!tensor.shape.empty() && begin >= 0 && count >= 0 && begin <= rows && count <= rows - begin) {
    return;
  }
  throw Error(cat("tensor ", show(tensor.name), " of shape ", shape_text(tensor.shape),
                  " has no rows ", begin, " to ", begin, " + ", count))
      .within(source);
}

std::uint64_t row_bytes(const TensorInfo& tensor) {
  const std::int64_t rows = tensor.shape.front();
  return rows == 0 ? 0 : tensor.bytes / static_cast<std::uint64_t>(rows);
}

}  // namespace saffron::io_detail
