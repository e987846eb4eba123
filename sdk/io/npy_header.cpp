#include "npy_dtype.h"
#include "parse.h"

// The format: "\x93NUMPY", version, header length, a Python dict of exactly the keys 'descr',
// 'fortran_order' and 'shape', then the data.
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

namespace saffron::inline sdk_v1 {
namespace {

using io_detail::bad;
using io_detail::show;

constexpr std::uint64_t kMaxHeader = 1 << 20;  // NumPy itself writes less than 64 KiB

// Reads the dict: the little of Python's syntax that NumPy writes there.
class DictReader {
 public:
  DictReader(std::string_view text, std::string_view source) : text_(text), source_(source) {}

  NpyHeader read() {
    NpyHeader header;
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      bool* seen = key == "descr"           ? &has_descr
                   : key == "fortran_order" ? &has_order
                   : key == "shape"         ? &has_shape
                                            : nullptr;
      if (!seen) fail(cat("has the unknown key ", show(key)));
      if (*seen) fail(cat("has the key ", show(key), " twice"));
      *seen = true;
      if (seen == &has_descr) header.array.dtype = descr();
      if (seen == &has_order) header.fortran = boolean();
      if (seen == &has_shape) header.array.shape = shape();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (skip_space(); at_ != text_.size()) fail("goes on behind its dict");
    if (!has_descr || !has_order || !has_shape) {
      fail("lacks one of the keys 'descr', 'fortran_order' and 'shape'");
    }
    return header;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw bad(source_, cat("the npy header ", what));
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }

  bool accept(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail(cat("is malformed: no '", c, "' at its byte ", at_));
  }

  std::string_view string() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect('\'');
    const std::size_t end = text_.find(quote, at_);
    if (end == text_.npos) fail("is malformed: a string has no end");
    const std::string_view found = text_.substr(at_, end - at_);
    at_ = end + 1;
    return found;
  }

  std::string descr() {
    if (accept('[')) fail("describes a structured array, which is not supported");
    const std::string_view found = string();
    if (found.starts_with('>')) {
      Error error =
          bad(source_, cat("the array is big-endian (", show(found), "), which is not supported"));
      throw error.with_help("write it with array.astype(array.dtype.newbyteorder('<'))");
    }
    return std::string(found);
  }

  bool boolean() {
    skip_space();
    for (const std::string_view word : {"True", "False"}) {
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return word == "True";
    }
    fail("is malformed: 'fortran_order' is neither True nor False");
  }

  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> sizes;
    expect('(');
    while (!accept(')')) {
      sizes.push_back(integer());
      if (sizes.size() > io_detail::kMaxDims) {
        fail(cat("has a shape of more than ", io_detail::kMaxDims, " dimensions"));
      }
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return sizes;
  }

  std::int64_t integer() {
    skip_space();
    const std::size_t start = at_;
    std::int64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const bool overflow = __builtin_mul_overflow(value, 10, &value) ||
                            __builtin_add_overflow(value, text_[at_] - '0', &value);
      if (overflow) fail("has a shape with a number beyond 63 bits");
    }
    if (at_ == start) fail(cat("is malformed: 'shape' has no natural number at byte ", at_));
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote its long integers so
    return value;
  }

  std::string_view text_, source_;
  std::size_t at_ = 0;
};

}  // namespace

NpyHeader parse_npy(std::span<const std::byte> file, std::string_view source) {
  io_detail::Cursor cursor(file, source);
  if (cursor.text(6, "the magic") != "\x93NUMPY") {
    throw bad(source, "the file does not start with '\\x93NUMPY': this is not an npy file");
  }
  const auto major = cursor.take<std::uint8_t>("the version");
  const auto minor = cursor.take<std::uint8_t>("the version");
  if (major < 1 || major > 3 || minor != 0) {
    throw bad(source, cat("npy version ", int{major}, '.', int{minor}, " is not 1.0, 2.0 or 3.0"));
  }
  const std::uint64_t length = major == 1 ? cursor.take<std::uint16_t>("the header's length")
                                          : cursor.take<std::uint32_t>("the header's length");
  if (length > kMaxHeader) {
    throw bad(source, cat("the npy header's length is ", length, ", more than ", kMaxHeader));
  }
  NpyHeader header = DictReader(cursor.text(length, "the header"), source).read();
  TensorInfo& array = header.array;
  const io_detail::NpyDtype* dtype = io_detail::find_npy_dtype(array.dtype);
  if (!dtype) {
    Error error = bad(source, cat("the dtype ", show(array.dtype), " is not supported"));
    throw error.with_help("supported are f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1, little-endian");
  }
  const auto count = io_detail::element_count(array.shape);
  if (!count || __builtin_mul_overflow(*count, dtype->bytes, &array.bytes)) {
    throw bad(source, cat("the shape ", io_detail::shape_text(array.shape), " is too large"));
  }
  array.offset = cursor.position();
  if (array.bytes != cursor.left()) {
    const char* state =
        array.bytes > cursor.left() ? "truncated or corrupt" : "corrupt, or holds several arrays";
    throw bad(source, cat("an array of shape ", io_detail::shape_text(array.shape), " and dtype ",
                          show(array.dtype), " has ", array.bytes, " bytes, but ", cursor.left(),
                          " follow the header: the file is ", state));
  }
  return header;
}

}  // namespace saffron::inline sdk_v1
