#include "gguf_types.h"
#include "parse.h"

#include <algorithm>
#include <bit>

// The format: magic, version, tensor count, metadata count; the metadata as (key, type, value); the
// tensors as (name, dimensions from the innermost, element type, offset); padding; the data.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

namespace saffron::inline sdk_v1 {
namespace {

using io_detail::bad;
using io_detail::Cursor;
using io_detail::show;

constexpr std::uint32_t kMaxArrayDepth = 4;
constexpr std::uint32_t kMaxGgufDims = 4;  // GGML_MAX_DIMS

// The least bytes that one metadata entry or one tensor can take: bounds their counts.
constexpr std::uint64_t kLeastEntry = 8 + 4 + 1;
constexpr std::uint64_t kLeastTensor = 8 + 4 + 4 + 8;

std::uint64_t scalar_size(GgufType type) {
  switch (type) {
    case GgufType::u8:
    case GgufType::i8:
    case GgufType::boolean: return 1;
    case GgufType::u16:
    case GgufType::i16: return 2;
    case GgufType::u32:
    case GgufType::i32:
    case GgufType::f32: return 4;
    case GgufType::u64:
    case GgufType::i64:
    case GgufType::f64: return 8;
    case GgufType::string:
    case GgufType::array: break;
  }
  return 0;
}

GgufType take_type(Cursor& cursor, std::string_view field) {
  const auto type = cursor.take<std::uint32_t>(field);
  if (type <= static_cast<std::uint32_t>(GgufType::f64)) return static_cast<GgufType>(type);
  throw bad(cursor.source(), cat(field, " has the unknown value type ", type));
}

std::string_view take_string(Cursor& cursor, std::string_view field) {
  const auto length = cursor.take<std::uint64_t>(field);
  return cursor.text(length, field);
}

// Steps over a value, checking every length in it.
void skip_values(Cursor& cursor, GgufType type, std::uint64_t count, std::string_view field,
                 std::uint32_t depth) {
  if (type == GgufType::string) {
    cursor.need(count, sizeof(std::uint64_t), field);
    for (std::uint64_t i = 0; i < count; ++i) take_string(cursor, field);
  } else if (type == GgufType::array) {
    if (depth == kMaxArrayDepth) {
      throw bad(cursor.source(), cat(field, " nests arrays deeper than ", kMaxArrayDepth));
    }
    cursor.need(count, sizeof(std::uint32_t) + sizeof(std::uint64_t), field);
    for (std::uint64_t i = 0; i < count; ++i) {
      const GgufType element = take_type(cursor, field);
      const auto inner = cursor.take<std::uint64_t>(field);
      skip_values(cursor, element, inner, field, depth + 1);
    }
  } else {
    cursor.skip(count, scalar_size(type), field);
  }
}

GgufEntry take_entry(Cursor& cursor, std::uint64_t index) {
  GgufEntry entry;
  entry.key = take_string(cursor, cat("metadata key ", index));
  const std::string field = "metadata " + show(entry.key);
  entry.type = take_type(cursor, field);
  if (entry.type == GgufType::array) {
    entry.element = take_type(cursor, field);
    entry.count = cursor.take<std::uint64_t>(field);
    entry.offset = cursor.position();
    skip_values(cursor, entry.element, entry.count, field, 1);
  } else {
    entry.element = entry.type;
    entry.offset = cursor.position();
    skip_values(cursor, entry.type, 1, field, 0);
  }
  return entry;
}

TensorInfo take_tensor(Cursor& cursor, std::uint64_t index) {
  TensorInfo tensor;
  tensor.name = take_string(cursor, cat("tensor name ", index));
  const std::string field = "tensor " + show(tensor.name);
  const auto fail = [&](auto... parts) { return bad(cursor.source(), cat(field, ": ", parts...)); };

  const auto dims = cursor.take<std::uint32_t>(field + ": dimension count");
  if (dims > kMaxGgufDims) throw fail(dims, " dimensions, more than ", kMaxGgufDims);
  for (std::uint32_t i = 0; i < dims; ++i) {
    const auto size = cursor.take<std::uint64_t>(field + ": dimension");
    if (size > static_cast<std::uint64_t>(INT64_MAX)) throw fail("dimension of size ", size);
    tensor.shape.push_back(static_cast<std::int64_t>(size));
  }
  std::reverse(tensor.shape.begin(), tensor.shape.end());

  const auto id = cursor.take<std::uint32_t>(field + ": type");
  const io_detail::GgufElement* element = io_detail::find_gguf_element(id);
  if (!element) throw fail("unknown element type ", id);
  tensor.dtype = element->name;
  tensor.offset = cursor.take<std::uint64_t>(field + ": offset");

  const auto count = io_detail::element_count(tensor.shape);
  if (!count) throw fail("shape ", io_detail::shape_text(tensor.shape), " is too large");
  const std::int64_t inner = tensor.shape.empty() ? 1 : tensor.shape.back();
  if (inner % element->block != 0) {
    throw fail("rows of ", inner, " elements are not whole blocks of ", element->name, " (",
               element->block, " elements)");
  }
  if (__builtin_mul_overflow(*count / element->block, element->bytes, &tensor.bytes)) {
    throw fail("shape ", io_detail::shape_text(tensor.shape), " is too large");
  }
  return tensor;
}

std::uint32_t find_alignment(std::span<const std::byte> file, std::string_view source,
                             const std::vector<GgufEntry>& metadata) {
  for (const GgufEntry& entry : metadata) {
    if (entry.key != "general.alignment") continue;
    if (entry.type != GgufType::u32) throw bad(source, "metadata 'general.alignment' is not a u32");
    const auto alignment = Cursor(file, source, entry.offset).take<std::uint32_t>(entry.key);
    if (!std::has_single_bit(alignment)) {
      throw bad(source, cat("metadata 'general.alignment' is ", alignment, ", not a power of two"));
    }
    return alignment;
  }
  return 32;
}

// Turns offsets within the data into offsets within the file and checks them.
void place_tensors(GgufHeader& header, std::string_view source, std::uint64_t data_start,
                   std::uint64_t file_size) {
  for (TensorInfo& tensor : header.tensors) {
    const std::string field = "tensor " + show(tensor.name);
    if (tensor.offset % header.alignment != 0) {
      throw bad(source,
                cat(field, ": offset ", tensor.offset, " is not a multiple of ", header.alignment));
    }
    std::uint64_t begin = 0;
    const bool overflow = __builtin_add_overflow(data_start, tensor.offset, &begin);
    const bool inside = !overflow && begin <= file_size && tensor.bytes <= file_size - begin;
    if (!inside) {
      throw bad(source, cat(field, ": ", tensor.bytes, " bytes at offset ", tensor.offset,
                            " of the data end behind the file, which has ", file_size,
                            " bytes and whose data starts at ", data_start,
                            ": it is truncated or corrupt"));
    }
    tensor.offset = begin;
  }
  std::vector<const TensorInfo*> order;
  for (const TensorInfo& tensor : header.tensors) {
    if (tensor.bytes > 0) order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes <= order[i]->offset) continue;
    throw bad(source, cat("tensors ", show(order[i - 1]->name), " and ", show(order[i]->name),
                          " overlap at byte ", order[i]->offset));
  }
}

void check_names(const GgufHeader& header, std::string_view source) {
  std::vector<std::string_view> names;
  for (const GgufEntry& entry : header.metadata) names.push_back(entry.key);
  io_detail::check_unique(source, "metadata", std::move(names));
  names.clear();
  for (const TensorInfo& tensor : header.tensors) names.push_back(tensor.name);
  io_detail::check_unique(source, "tensor", std::move(names));
}

}  // namespace

GgufHeader parse_gguf(std::span<const std::byte> file, std::string_view source) {
  Cursor cursor(file, source);
  if (cursor.text(4, "the magic") != "GGUF") {
    throw bad(source, "the file does not start with 'GGUF': this is not a GGUF file");
  }
  GgufHeader header;
  header.version = cursor.take<std::uint32_t>("the version");
  if (header.version != 2 && header.version != 3) {
    const bool big_endian = header.version == 2U << 24 || header.version == 3U << 24;
    throw bad(source, big_endian ? std::string("the file is big-endian, which is not supported")
                                 : cat("version ", header.version, " is not 2 or 3"));
  }
  const auto tensors = cursor.take<std::uint64_t>("the tensor count");
  const auto entries = cursor.take<std::uint64_t>("the metadata count");
  cursor.need(entries, kLeastEntry, "the metadata");
  cursor.need(tensors, kLeastTensor, "the tensor list");
  for (std::uint64_t i = 0; i < entries; ++i) header.metadata.push_back(take_entry(cursor, i));
  for (std::uint64_t i = 0; i < tensors; ++i) header.tensors.push_back(take_tensor(cursor, i));
  check_names(header, source);
  header.alignment = find_alignment(file, source, header.metadata);

  const std::uint64_t mask = header.alignment - 1;
  place_tensors(header, source, (cursor.position() + mask) & ~mask, file.size());
  return header;
}

}  // namespace saffron::inline sdk_v1
