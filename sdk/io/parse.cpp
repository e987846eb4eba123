#include "parse.h"

#include <algorithm>
#include <limits>
#include <system_error>

namespace saffron::io_detail {

std::string show(std::string_view name) {
  constexpr std::size_t kShown = 100;
  constexpr char kDigits[] = "0123456789abcdef";
  std::size_t shown = std::min(name.size(), kShown);
  if (shown < name.size()) {  // not in the middle of a character
    while (shown > 0 && (name[shown] & 0xC0) == 0x80) --shown;
  }
  const std::string_view head = name.substr(0, shown);
  const bool valid = !first_invalid_utf8(head);
  std::string out = "'";
  for (const char c : head) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (byte >= 0x80 && !valid)) {
      out += cat("\\x", kDigits[byte >> 4], kDigits[byte & 0xF]);
    } else {
      out += c;
    }
  }
  if (shown < name.size()) out += "...";
  return out + "'";
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += cat(i > 0 ? ", " : "", shape[i]);
  return out + "]";
}

Error bad(std::string_view source, std::string message) {
  Error error(ErrorKind::data, std::move(message));
  error.within(source);
  return error;
}

Error os_error(std::string_view action, const std::string& path, int number) {
  const std::string reason = std::generic_category().message(number);
  return Error(ErrorKind::io, cat("cannot ", action, " '", path, "': ", reason));
}

std::optional<std::uint64_t> element_count(const std::vector<std::int64_t>& shape) {
  if (shape.size() > kMaxDims) return std::nullopt;
  std::int64_t extent = 1;
  bool empty = false;
  for (const std::int64_t size : shape) {
    if (size < 0) return std::nullopt;
    empty = empty || size == 0;
    if (__builtin_mul_overflow(extent, std::max<std::int64_t>(size, 1), &extent)) {
      return std::nullopt;
    }
  }
  return empty ? 0 : static_cast<std::uint64_t>(extent);
}

void check_unique(std::string_view source, std::string_view what,
                  std::vector<std::string_view> names) {
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) throw bad(source, cat(what, ' ', show(*twice), " occurs twice"));
}

void Cursor::need(std::uint64_t count, std::uint64_t size, std::string_view field) const {
  std::uint64_t bytes = 0;
  const bool overflow = __builtin_mul_overflow(count, size, &bytes);
  if (!overflow && bytes <= left()) return;
  const std::string wanted = count == 1 ? cat(size) : cat(count, " x ", size);
  throw bad(source_, cat(field, " at byte ", position_, " needs ", wanted, " bytes, but only ",
                         left(), " are left: the file is truncated or corrupt"));
}

std::string_view Cursor::text(std::uint64_t length, std::string_view field) {
  need(length, field);
  const auto* start = reinterpret_cast<const char*>(bytes_.data() + position_);
  position_ += length;
  return {start, static_cast<std::size_t>(length)};
}

void Cursor::skip(std::uint64_t count, std::uint64_t size, std::string_view field) {
  need(count, size, field);
  position_ += count * size;
}

}  // namespace saffron::io_detail
