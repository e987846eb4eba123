#include "gguf_types.h"
#include "tensor_view.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

namespace saffron::inline sdk_v1 {
namespace {

using io_detail::GgufElement;

const GgufElement& readable_element(const TensorInfo& tensor, const std::string& source) {
  const GgufElement* element = io_detail::find_gguf_element(tensor.dtype);
  if (element && element->expand) return *element;
  throw io_detail::bad(source, cat("tensor ", io_detail::show(tensor.name), " has the type ",
                                   tensor.dtype, ", which is not supported"))
      .with_help(cat("supported are ", io_detail::readable_gguf_elements()));
}

// `shape` elements of float32 from the blocks at `offset`.
at::Tensor expand(const ByteView& file, const GgufElement& element, std::uint64_t offset,
                  const std::vector<std::int64_t>& shape) {
  at::Tensor out = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
  const std::byte* blocks = file.bytes.data() + offset;
  float* values = out.mutable_data_ptr<float>();
  constexpr std::int64_t kGrain = 1 << 15;  // elements: enough work to be worth a thread
  at::parallel_for(0, out.numel() / element.block, kGrain / element.block,
                   [&](std::int64_t begin, std::int64_t end) {
                     element.expand(blocks + begin * element.bytes,
                                    static_cast<std::size_t>(end - begin),
                                    values + begin * element.block);
                   });
  return out;
}

}  // namespace

GgufFile::GgufFile(ByteView file, std::string source, GgufHeader header)
    : TensorReader(std::move(source), std::move(header.tensors)),
      file_(std::move(file)),
      version_(header.version),
      metadata_(std::move(header.metadata)) {}

GgufFile GgufFile::open(const std::filesystem::path& path) {
  const auto mapped = MappedFile::open(path);
  return parse({mapped->bytes(), mapped}, path.string());
}

GgufFile GgufFile::parse(ByteView file, std::string source) {
  GgufHeader header = parse_gguf(file.bytes, source);
  return {std::move(file), std::move(source), std::move(header)};
}

at::Tensor GgufFile::tensor(std::string_view name) const {
  const TensorInfo& found = info(name);
  const GgufElement& element = readable_element(found, path());
  if (element.name == "F32") {
    return io_detail::view_tensor(file_, {found.offset, found.shape}, path(), found.name);
  }
  return expand(file_, element, found.offset, found.shape);
}

at::Tensor GgufFile::rows(std::string_view name, std::int64_t begin, std::int64_t count) const {
  const TensorInfo& found = info(name);
  io_detail::check_rows(path(), found, begin, count);
  const GgufElement& element = readable_element(found, path());
  // The elements of a quantised vector share blocks.
  if (found.shape.size() == 1) return tensor(name).narrow(0, begin, count);
  std::vector<std::int64_t> shape = found.shape;
  shape.front() = count;
  const std::uint64_t offset =
      found.offset + static_cast<std::uint64_t>(begin) * io_detail::row_bytes(found);
  if (element.name == "F32") {
    return io_detail::view_tensor(file_, {offset, shape}, path(), found.name);
  }
  return expand(file_, element, offset, shape);
}

}  // namespace saffron::inline sdk_v1
