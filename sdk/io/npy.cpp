#include "npy_dtype.h"
#include "npy_write.h"
#include "tensor_view.h"

namespace saffron::inline sdk_v1 {
namespace {

using io_detail::NpyType;

at::ScalarType scalar_type(NpyType type) {
  switch (type) {
    case NpyType::f2: return at::kHalf;
    case NpyType::f4: return at::kFloat;
    case NpyType::f8: return at::kDouble;
    case NpyType::i1: return at::kChar;
    case NpyType::i2: return at::kShort;
    case NpyType::i4: return at::kInt;
    case NpyType::i8: return at::kLong;
    case NpyType::u1: return at::kByte;
    case NpyType::u2: return at::kUInt16;
    case NpyType::u4: return at::kUInt32;
    case NpyType::u8: return at::kUInt64;
    case NpyType::b1: return at::kBool;
  }
  return at::kByte;
}

std::string descr(at::ScalarType type) {
  for (const io_detail::NpyDtype& dtype : io_detail::kNpyDtypes) {
    if (scalar_type(dtype.type) == type) return cat(dtype.bytes == 1 ? '|' : '<', dtype.name);
  }
  throw Error(cat("npy has no dtype for ", c10::toString(type)))
      .with_help("convert the tensor to float32 first");
}

// A Python tuple: (), (3,), (3, 4)
std::string tuple(at::IntArrayRef sizes) {
  std::string out = "(";
  for (std::size_t i = 0; i < sizes.size(); ++i) out += cat(i > 0 ? ", " : "", sizes[i]);
  return out + (sizes.size() == 1 ? ",)" : ")");
}

}  // namespace

at::Tensor read_npy(const ByteView& file, std::string_view source) {
  const NpyHeader header = parse_npy(file.bytes, source);
  const TensorInfo& array = header.array;
  const at::ScalarType type = scalar_type(io_detail::find_npy_dtype(array.dtype)->type);
  return io_detail::view_tensor(file, {array.offset, array.shape, type, header.fortran}, source,
                                "the array");
}

at::Tensor read_npy(const std::filesystem::path& path) {
  const auto mapped = MappedFile::open(path);
  return read_npy({mapped->bytes(), mapped}, path.string());
}

void write_npy(const std::filesystem::path& path, const at::Tensor& tensor) {
  const at::Tensor data = io_detail::plain(tensor, "an npy array");
  const std::string header = io_detail::npy_header(data);
  AtomicFile file(path);
  file.write(header);
  file.write(io_detail::bytes_of(data));
  file.commit();
}

}  // namespace saffron::inline sdk_v1

namespace saffron::io_detail {

std::string npy_header(const at::Tensor& contiguous) {
  std::string dict = cat("{'descr': '", descr(contiguous.scalar_type()),
                         "', 'fortran_order': False, 'shape': ", tuple(contiguous.sizes()), ", }");
  // The data starts at a multiple of 64 bytes: magic (6), version (2), length (2), dict, newline.
  constexpr std::size_t kAlign = 64, kBefore = 10;
  dict.append((kAlign - (kBefore + dict.size() + 1) % kAlign) % kAlign, ' ');
  dict += '\n';
  if (dict.size() > 0xFFFF) throw Error("an npy header of version 1.0 cannot hold this shape");
  const auto length = static_cast<std::uint16_t>(dict.size());
  std::string out("\x93NUMPY\x01\x00", 8);
  out.append(reinterpret_cast<const char*>(&length), sizeof length);
  return out + dict;
}

}  // namespace saffron::io_detail
