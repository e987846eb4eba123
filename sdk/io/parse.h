#pragma once

#include <saffron/io.h>

#include <cstring>
#include <type_traits>

// What the parsers of foreign files share. Private to sdk/io; no LibTorch here, so that each parser
// can be fuzzed alone.

namespace saffron::io_detail {

constexpr std::size_t kMaxDims = 64;  // as NumPy; LibTorch's iterators stop there too

// 'name' for a message: control bytes and bytes that are not UTF-8 as \xNN, cut after 100 bytes.
[[nodiscard]] std::string show(std::string_view name);
// [2, 3]
[[nodiscard]] std::string shape_text(const std::vector<std::int64_t>& shape);

// A data error about `source`.
[[nodiscard]] Error bad(std::string_view source, std::string message);
// An io error: what was tried, on which file, and errno's text.
[[nodiscard]] Error os_error(std::string_view action, const std::string& path, int number);

// The product of the dimensions; nothing when a dimension is negative, there are more than kMaxDims
// or the strides of such a tensor overflow (a dimension of 0 does not hide a huge one).
[[nodiscard]] std::optional<std::uint64_t> element_count(const std::vector<std::int64_t>& shape);

// Throws when two of the names are equal. `what` is "tensor" or "key".
void check_unique(std::string_view source, std::string_view what,
                  std::vector<std::string_view> names);

// Index of the first byte of the first invalid UTF-8 sequence; nothing when there is none.
[[nodiscard]] std::optional<std::size_t> first_invalid_utf8(std::string_view text);

template <class T>
[[nodiscard]] T load(const std::byte* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Reads forward through bytes and throws at the end of them, naming the field.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, std::string_view source, std::uint64_t position = 0)
      : bytes_(bytes), source_(source), position_(position) {}

  [[nodiscard]] std::uint64_t position() const { return position_; }
  [[nodiscard]] std::uint64_t left() const { return bytes_.size() - position_; }
  [[nodiscard]] std::string_view source() const { return source_; }

  template <class T>
  T take(std::string_view field) {
    need(sizeof(T), field);
    const T value = load<T>(bytes_.data() + position_);
    position_ += sizeof(T);
    return value;
  }

  // `count` items of at least `size` bytes each must still be there: to be asked before anything
  // is allocated for them.
  void need(std::uint64_t count, std::uint64_t size, std::string_view field) const;
  void need(std::uint64_t size, std::string_view field) const { need(1, size, field); }
  std::string_view text(std::uint64_t length, std::string_view field);
  void skip(std::uint64_t count, std::uint64_t size, std::string_view field);

 private:
  std::span<const std::byte> bytes_;
  std::string_view source_;
  std::uint64_t position_;
};

}  // namespace saffron::io_detail
