#include "parse.h"
#include "safetensors_dtype.h"

#include <nlohmann/json.hpp>

#include <algorithm>

// The format: an unsigned 64-bit length, that many bytes of JSON, then the data. The JSON maps each
// name to {"dtype", "shape", "data_offsets": [begin, end)}, offsets counted from the data's start;
// "__metadata__" maps strings to strings. The data must be covered without overlap or gap.
// https://github.com/huggingface/safetensors#format

namespace saffron::inline sdk_v1 {
namespace {

using io_detail::bad;
using io_detail::show;

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's own limit

// The callbacks of nlohmann's event parser (their names are its). The header goes straight into the
// table of tensors: no document is built, so that a hostile header costs no more than its own size.
class HeaderReader {
 public:
  HeaderReader(std::string_view source, SafetensorsHeader& header)
      : source_(source), header_(header) {}

  bool null() { return scalar("null"); }
  bool boolean(bool) { return scalar("a bool"); }
  bool number_integer(std::int64_t value) { return negative(value); }
  bool number_unsigned(std::uint64_t value) { return number(value); }
  bool number_float(double, const std::string&) { return scalar("a float"); }
  bool binary(nlohmann::json::binary_t&) { return false; }  // binary formats only

  bool string(std::string& value) {
    if (place_ == Place::metadata) {
      header_.metadata.back().second = std::move(value);
    } else if (place_ == Place::tensor && field_ == Field::dtype) {
      current().dtype = std::move(value);
    } else {
      return scalar("a string");
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (skipping()) return deeper();
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top) {
      place_ = in_metadata_ ? Place::metadata : Place::tensor;
    } else {
      return scalar("a table");
    }
    return true;
  }

  bool end_object() {
    if (skipped_ > 0) return shallower();
    if (place_ == Place::tensor) finish_tensor();
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }

  bool start_array(std::size_t) {
    if (skipping()) return deeper();
    const bool wanted = field_ == Field::shape || field_ == Field::offsets;
    if (place_ != Place::tensor || !wanted) return scalar("a list");
    place_ = Place::list;
    return true;
  }

  bool end_array() {
    if (skipped_ > 0) return shallower();
    place_ = Place::tensor;
    return true;
  }

  bool key(std::string& name) {
    if (skipped_ > 0) return true;
    if (place_ == Place::metadata) {
      header_.metadata.emplace_back(std::move(name), "");
    } else if (place_ == Place::top) {
      start_entry(std::move(name));
    } else {
      start_field(name);
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    // The text of nlohmann's message would repeat the file's bytes; the place says enough.
    throw bad(source_, cat("the header's JSON is malformed at byte ",
                           position + sizeof(std::uint64_t), " of the file"));
  }

 private:
  enum class Place { outside, top, metadata, tensor, list };
  enum class Field { none, dtype, shape, offsets, unknown };

  TensorInfo& current() { return header_.tensors.back(); }

  // Within the value of a key that the format does not define: readers ignore those.
  [[nodiscard]] bool skipping() const {
    return skipped_ > 0 || (place_ == Place::tensor && field_ == Field::unknown);
  }

  bool deeper() {
    ++skipped_;
    return true;
  }

  bool shallower() {
    --skipped_;
    return true;
  }

  std::string location() const {
    if (place_ == Place::outside) return "the header";
    if (place_ == Place::metadata) return cat("metadata ", show(header_.metadata.back().first));
    if (in_metadata_) return "__metadata__";
    const std::string tensor = cat("tensor ", show(header_.tensors.back().name));
    switch (field_) {
      case Field::dtype: return tensor + ": dtype";
      case Field::shape: return tensor + ": shape";
      case Field::offsets: return tensor + ": data_offsets";
      default: return tensor;
    }
  }

  const char* wanted() const {
    if (place_ == Place::list) return "an unsigned integer";
    if (place_ == Place::metadata) return "a string";
    if (place_ != Place::tensor) return "a table";
    return field_ == Field::dtype ? "a string" : "a list";
  }

  bool scalar(std::string_view what) {
    if (skipping()) return true;
    throw bad(source_, cat(location(), " must be ", wanted(), ", found ", what));
  }

  bool negative(std::int64_t value) { return scalar(cat("the integer ", value)); }

  bool number(std::uint64_t value) {
    if (place_ != Place::list) return scalar(cat("the integer ", value));
    if (value > static_cast<std::uint64_t>(INT64_MAX)) return scalar(cat("the integer ", value));
    if (field_ == Field::shape) {
      if (current().shape.size() == io_detail::kMaxDims) {
        throw bad(source_, cat(location(), " has more than ", io_detail::kMaxDims, " dimensions"));
      }
      current().shape.push_back(static_cast<std::int64_t>(value));
    } else {
      if (offsets_ == 2) throw bad(source_, cat(location(), " has more than two numbers"));
      ends_[offsets_++] = value;
    }
    return true;
  }

  void start_entry(std::string name) {
    in_metadata_ = std::string_view(name) == "__metadata__";
    if (in_metadata_) {
      if (has_metadata_) throw bad(source_, "key '__metadata__' occurs twice");
      has_metadata_ = true;
      return;
    }
    header_.tensors.emplace_back().name = std::move(name);
    field_ = Field::none;
    has_dtype_ = has_shape_ = has_offsets_ = false;
    offsets_ = 0;
  }

  void start_field(const std::string& name) {
    bool ignored = false;
    bool* seen = &ignored;
    field_ = Field::unknown;
    if (name == "dtype") {
      field_ = Field::dtype;
      seen = &has_dtype_;
    } else if (name == "shape") {
      field_ = Field::shape;
      seen = &has_shape_;
    } else if (name == "data_offsets") {
      field_ = Field::offsets;
      seen = &has_offsets_;
    }
    if (*seen) throw bad(source_, cat(location(), " occurs twice"));
    *seen = true;
  }

  void finish_tensor() {
    field_ = Field::none;
    const char* missing = !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : nullptr;
    if (!has_offsets_ || offsets_ != 2) missing = "data_offsets of two numbers";
    if (missing) throw bad(source_, cat(location(), " has no ", missing));
    if (ends_[0] > ends_[1]) {
      throw bad(source_, cat(location(), ": data_offsets end (", ends_[1], ") before they begin (",
                             ends_[0], ")"));
    }
    current().offset = ends_[0];
    current().bytes = ends_[1] - ends_[0];
  }

  std::string_view source_;
  SafetensorsHeader& header_;
  Place place_ = Place::outside;
  Field field_ = Field::none;
  std::size_t skipped_ = 0;  // how deep within an ignored value
  bool in_metadata_ = false, has_metadata_ = false;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  std::size_t offsets_ = 0;
  std::uint64_t ends_[2] = {0, 0};
};

// Whether a tensor's byte count is that of its shape and dtype. A dtype of unknown width passes:
// the tensor cannot be read anyway, and the others can.
void check_size(std::string_view source, const TensorInfo& tensor) {
  const auto count = io_detail::element_count(tensor.shape);
  if (!count) {
    throw bad(source, cat("tensor ", show(tensor.name), ": shape ",
                          io_detail::shape_text(tensor.shape), " is too large for any memory"));
  }
  const auto bits = io_detail::safetensors_bits(tensor.dtype);
  if (!bits) return;
  std::uint64_t wanted = 0;
  const bool overflow = __builtin_mul_overflow(*count, *bits, &wanted);
  if (overflow || wanted % 8 != 0 || wanted / 8 != tensor.bytes) {
    throw bad(source,
              cat("tensor ", show(tensor.name), ": ", tensor.bytes, " bytes do not hold ",
                  io_detail::shape_text(tensor.shape), " elements of ", show(tensor.dtype)));
  }
}

void check_layout(std::string_view source, std::span<const TensorInfo> by_offset,
                  std::uint64_t size) {
  std::uint64_t end = 0;
  for (const TensorInfo& tensor : by_offset) {
    if (tensor.offset != end) {
      const char* what = tensor.offset < end ? " overlaps the one before it, which ends at "
                                             : " leaves a gap behind byte ";
      throw bad(source, cat("tensor ", show(tensor.name), ": data at byte ", tensor.offset, what,
                            end, " of the data"));
    }
    if (tensor.bytes > size - end) {
      throw bad(source, cat("tensor ", show(tensor.name), ": data ends at byte ",
                            tensor.offset + tensor.bytes, ", but the file has only ", size,
                            " bytes of data: it is truncated or corrupt"));
    }
    end += tensor.bytes;
  }
  if (end != size) {
    throw bad(source, cat("the tensors cover ", end, " bytes of data, but the file has ", size));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const std::byte> file, std::string_view source) {
  io_detail::Cursor cursor(file, source);
  const auto length = cursor.take<std::uint64_t>("the header's length");
  if (length > kMaxHeader) {
    throw bad(source, cat("the header's length is ", length, ", more than the format's limit of ",
                          kMaxHeader, ": this is not a safetensors file"));
  }
  const std::string_view json = cursor.text(length, "the header");
  if (!json.starts_with('{')) throw bad(source, "the header does not start with '{'");

  SafetensorsHeader header;
  HeaderReader reader(source, header);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);

  std::vector<std::string_view> names;
  for (const TensorInfo& tensor : header.tensors) names.push_back(tensor.name);
  io_detail::check_unique(source, "tensor", std::move(names));
  names.clear();
  for (const auto& [key, value] : header.metadata) names.push_back(key);
  io_detail::check_unique(source, "metadata", std::move(names));

  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](auto& a, auto& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  for (const TensorInfo& tensor : header.tensors) check_size(source, tensor);
  check_layout(source, header.tensors, cursor.left());
  for (TensorInfo& tensor : header.tensors) tensor.offset += cursor.position();
  return header;
}

}  // namespace saffron::inline sdk_v1
