#include "tensor_view.h"

#include <saffron/value.h>

#include <algorithm>
#include <array>

namespace saffron::inline sdk_v1 {
namespace {

struct Dtype {
  std::string_view name;
  at::ScalarType type;
};

constexpr std::array<Dtype, 15> kDtypes = {{
    {"F64", at::kDouble},
    {"F32", at::kFloat},
    {"F16", at::kHalf},
    {"BF16", at::kBFloat16},
    {"F8_E4M3", at::kFloat8_e4m3fn},
    {"F8_E5M2", at::kFloat8_e5m2},
    {"I64", at::kLong},
    {"I32", at::kInt},
    {"I16", at::kShort},
    {"I8", at::kChar},
    {"U64", at::kUInt64},
    {"U32", at::kUInt32},
    {"U16", at::kUInt16},
    {"U8", at::kByte},
    {"BOOL", at::kBool},
}};

std::string dtype_list() {
  std::string out;
  for (const Dtype& dtype : kDtypes) out += cat(out.empty() ? "" : " ", dtype.name);
  return out;
}

at::ScalarType scalar_type(const TensorInfo& tensor, std::string_view source) {
  for (const Dtype& dtype : kDtypes) {
    if (dtype.name == tensor.dtype) return dtype.type;
  }
  throw io_detail::bad(source, cat("tensor ", io_detail::show(tensor.name), " has the dtype ",
                                   io_detail::show(tensor.dtype), ", which is not supported"))
      .with_help("supported are " + dtype_list());
}

std::string_view dtype_name(at::ScalarType type, std::string_view tensor) {
  for (const Dtype& dtype : kDtypes) {
    if (dtype.type == type) return dtype.name;
  }
  throw Error(cat("cannot write tensor ", io_detail::show(tensor), ": safetensors has no dtype ",
                  c10::toString(type)))
      .with_help("convert it to one of " + dtype_list());
}

std::string header_json(const std::vector<TensorInfo>& tensors, const Metadata& metadata) {
  Value header = Value::table();
  Value::Table& entries = header.as_table();
  if (!metadata.empty()) {
    Value table = Value::table();
    for (const auto& [key, value] : metadata) table.set(key, value);
    entries.push_back({"__metadata__", std::move(table), {}});
  }
  for (const TensorInfo& tensor : tensors) {
    Value shape = Value::list();
    for (const std::int64_t size : tensor.shape) shape.push(size);
    Value offsets = Value::list();
    offsets.push(static_cast<std::int64_t>(tensor.offset));
    offsets.push(static_cast<std::int64_t>(tensor.offset + tensor.bytes));
    Value entry = Value::table();
    entry.set("dtype", tensor.dtype);
    entry.set("shape", std::move(shape));
    entry.set("data_offsets", std::move(offsets));
    entries.push_back({tensor.name, std::move(entry), {}});
  }
  return to_json(header);
}

}  // namespace

SafetensorsFile::SafetensorsFile(ByteView file, std::string source, SafetensorsHeader header)
    : TensorReader(std::move(source), std::move(header.tensors)),
      file_(std::move(file)),
      metadata_(std::move(header.metadata)) {}

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path, Access access) {
  const auto mapped = MappedFile::open(path, access);
  return parse({mapped->bytes(), mapped}, path.string());
}

SafetensorsFile SafetensorsFile::parse(ByteView file, std::string source) {
  SafetensorsHeader header = parse_safetensors(file.bytes, source);
  return {std::move(file), std::move(source), std::move(header)};
}

const std::string* SafetensorsFile::metadata(std::string_view key) const {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return &value;
  }
  return nullptr;
}

at::Tensor SafetensorsFile::tensor(std::string_view name) const {
  const TensorInfo& found = info(name);
  return io_detail::view_tensor(file_, {found.offset, found.shape, scalar_type(found, path())},
                                path(), cat("tensor ", io_detail::show(found.name)));
}

at::Tensor SafetensorsFile::rows(std::string_view name, std::int64_t begin,
                                 std::int64_t count) const {
  const TensorInfo& found = info(name);
  io_detail::check_rows(path(), found, begin, count);
  io_detail::TensorLayout layout{found.offset, found.shape, scalar_type(found, path())};
  layout.shape.front() = count;
  layout.offset += static_cast<std::uint64_t>(begin) * io_detail::row_bytes(found);
  return io_detail::view_tensor(file_, layout, path(),
                                cat("tensor ", io_detail::show(found.name), " from row ", begin));
}

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const Metadata& metadata) {
  std::vector<std::string_view> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  io_detail::check_unique(path.string(), "tensor", std::move(names));

  // Wider elements first: then every tensor starts at a multiple of its element's size.
  std::vector<const NamedTensors::value_type*> order;
  for (const auto& named : tensors) {
    if (!named.second.defined()) {
      throw Error(cat("cannot write tensor ", io_detail::show(named.first), ": it is undefined"));
    }
    order.push_back(&named);
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->second.element_size() > b->second.element_size();
  });

  std::vector<TensorInfo> infos;
  std::uint64_t offset = 0;
  for (const auto* named : order) {
    const at::Tensor& tensor = named->second;
    const auto bytes = static_cast<std::uint64_t>(tensor.numel()) * tensor.element_size();
    const std::string dtype(dtype_name(tensor.scalar_type(), named->first));
    infos.push_back({named->first, dtype, tensor.sizes().vec(), offset, bytes});
    offset += bytes;
  }

  std::string header = header_json(infos, metadata);
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const auto* named : order) {
    const at::Tensor tensor =
        io_detail::plain(named->second, cat("tensor ", io_detail::show(named->first)));
    file.write(io_detail::bytes_of(tensor));
  }
  file.commit();
}

}  // namespace saffron::inline sdk_v1
