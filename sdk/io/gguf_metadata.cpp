#include "parse.h"

#include <algorithm>

// The typed views of a GGUF file's metadata. Values stay in the file until they are asked for.

namespace saffron::inline sdk_v1 {
namespace {

using io_detail::bad;
using io_detail::Cursor;
using io_detail::show;

const char* type_text(GgufType type) {
  static constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<std::size_t>(type)];
}

Error wrong_type(const Cursor& cursor, const GgufEntry& entry, std::string_view wanted) {
  const std::string found = entry.type == GgufType::array
                                ? cat("an array of ", type_text(entry.element))
                                : std::string(type_text(entry.type));
  return bad(cursor.source(),
             cat("metadata ", show(entry.key), " must be ", wanted, ", found ", found));
}

std::string take_text(Cursor& cursor, const GgufEntry& entry) {
  if (entry.element != GgufType::string) throw wrong_type(cursor, entry, "a string");
  const auto length = cursor.take<std::uint64_t>(entry.key);
  return std::string(cursor.text(length, entry.key));
}

std::int64_t take_integer(Cursor& cursor, const GgufEntry& entry) {
  switch (entry.element) {
    case GgufType::u8: return cursor.take<std::uint8_t>(entry.key);
    case GgufType::i8: return cursor.take<std::int8_t>(entry.key);
    case GgufType::u16: return cursor.take<std::uint16_t>(entry.key);
    case GgufType::i16: return cursor.take<std::int16_t>(entry.key);
    case GgufType::u32: return cursor.take<std::uint32_t>(entry.key);
    case GgufType::i32: return cursor.take<std::int32_t>(entry.key);
    case GgufType::i64: return cursor.take<std::int64_t>(entry.key);
    case GgufType::u64: {
      const auto value = cursor.take<std::uint64_t>(entry.key);
      if (value <= static_cast<std::uint64_t>(INT64_MAX)) return static_cast<std::int64_t>(value);
      throw bad(cursor.source(),
                cat("metadata ", show(entry.key), " is ", value, ", which does not fit 63 bits"));
    }
    default: throw wrong_type(cursor, entry, "an integer");
  }
}

double take_real(Cursor& cursor, const GgufEntry& entry) {
  switch (entry.element) {
    case GgufType::f32: return static_cast<double>(cursor.take<float>(entry.key));
    case GgufType::f64: return cursor.take<double>(entry.key);
    case GgufType::boolean:
    case GgufType::string:
    case GgufType::array: throw wrong_type(cursor, entry, "a number");
    default: return static_cast<double>(take_integer(cursor, entry));
  }
}

bool take_flag(Cursor& cursor, const GgufEntry& entry) {
  if (entry.element != GgufType::boolean) throw wrong_type(cursor, entry, "a bool");
  const auto byte = cursor.take<std::uint8_t>(entry.key);
  if (byte <= 1) return byte == 1;
  throw bad(cursor.source(), cat("metadata ", show(entry.key), " is a bool of value ", int{byte}));
}

template <class T>
T scalar(const ByteView& file, const std::string& source, const GgufEntry& entry,
         T (*take)(Cursor&, const GgufEntry&)) {
  Cursor cursor(file.bytes, source, entry.offset);
  if (entry.type == GgufType::array) throw wrong_type(cursor, entry, "one value");
  return take(cursor, entry);
}

template <class T>
std::vector<T> array(const ByteView& file, const std::string& source, const GgufEntry& entry,
                     T (*take)(Cursor&, const GgufEntry&)) {
  Cursor cursor(file.bytes, source, entry.offset);
  if (entry.type != GgufType::array) throw wrong_type(cursor, entry, "an array");
  std::vector<T> values;
  for (std::uint64_t i = 0; i < entry.count; ++i) values.push_back(take(cursor, entry));
  return values;
}

}  // namespace

const GgufEntry* GgufFile::find_key(std::string_view key) const {
  const auto place = std::find_if(metadata_.begin(), metadata_.end(),
                                  [&](const GgufEntry& entry) { return entry.key == key; });
  return place == metadata_.end() ? nullptr : &*place;
}

const GgufEntry& GgufFile::entry(std::string_view key) const {
  if (const GgufEntry* found = find_key(key)) return *found;
  std::vector<std::string> keys;
  for (const GgufEntry& entry : metadata_) keys.push_back(entry.key);
  Error error = bad(path(), cat("there is no metadata ", show(key)));
  const std::string near = nearest(key, keys.data(), keys.size());
  if (!near.empty()) error.with_help(cat("did you mean ", show(near), "?"));
  throw error;
}

std::string GgufFile::text(std::string_view key, std::optional<std::string> otherwise) const {
  if (otherwise && !has(key)) return *std::move(otherwise);
  return scalar(file_, path(), entry(key), take_text);
}

std::int64_t GgufFile::integer(std::string_view key, std::optional<std::int64_t> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  return scalar(file_, path(), entry(key), take_integer);
}

double GgufFile::real(std::string_view key, std::optional<double> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  return scalar(file_, path(), entry(key), take_real);
}

bool GgufFile::flag(std::string_view key, std::optional<bool> otherwise) const {
  if (otherwise && !has(key)) return *otherwise;
  return scalar(file_, path(), entry(key), take_flag);
}

std::vector<std::string> GgufFile::texts(std::string_view key) const {
  return array(file_, path(), entry(key), take_text);
}

std::vector<std::int64_t> GgufFile::integers(std::string_view key) const {
  return array(file_, path(), entry(key), take_integer);
}

std::vector<double> GgufFile::reals(std::string_view key) const {
  return array(file_, path(), entry(key), take_real);
}

}  // namespace saffron::inline sdk_v1
