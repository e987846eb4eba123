#include <saffron/value.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace saffron::inline sdk_v1 {
namespace {

constexpr std::size_t kMaxDepth = 256;  // deeper text would only serve to exhaust the stack

// ---- Writing ----
// nlohmann::json escapes the strings. Its own numbers are not used: Grisu2 is not always shortest.

std::string real_text(double value) {
  char buffer[32];
  const auto [end, status] = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text(buffer, end);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";  // reads back as a float
  return text;
}

class JsonWriter {
 public:
  explicit JsonWriter(JsonStyle style) : style_(style) {}

  void write(const Value& value, std::size_t indent) {
    switch (value.type()) {
      case Value::Type::null: out_ += "null"; break;
      case Value::Type::boolean: out_ += value.as_bool() ? "true" : "false"; break;
      case Value::Type::integer: out_ += std::to_string(value.as_int()); break;
      case Value::Type::real: write_real(value); break;
      case Value::Type::string: write_string(value.as_string()); break;
      case Value::Type::list: write_list(value.as_list(), indent); break;
      case Value::Type::table: write_table(value.as_table(), indent); break;
    }
  }

  std::string take() { return std::move(out_); }

 private:
  bool canonical() const { return style_ == JsonStyle::canonical; }
  bool pretty() const { return style_ == JsonStyle::pretty; }

  void break_line(std::size_t indent) {
    if (pretty()) out_.append(1, '\n').append(2 * indent, ' ');
  }

  void write_real(const Value& value) {
    const double number = value.as_real();
    if (std::isfinite(number)) {
      out_ += real_text(number);
    } else if (canonical()) {
      throw Error(ErrorKind::numeric, cat("a non-finite number (", number, ") has no JSON form"))
          .at(value.origin());
    } else {
      out_ += "null";
    }
  }

  void write_string(const std::string& text) {
    using nlohmann::json;
    try {
      const auto handler =
          canonical() ? json::error_handler_t::strict : json::error_handler_t::replace;
      out_ += json(text).dump(-1, ' ', false, handler);
    } catch (const json::exception&) {
      throw Error(ErrorKind::invalid, "a string is not valid UTF-8 and has no JSON form");
    }
  }

  // A list of scalars stays on one line in the pretty style, so that series stay readable.
  void write_list(const Value::List& list, std::size_t indent) {
    const bool flat = std::none_of(list.begin(), list.end(), [](const Value& item) {
      return item.is_list() || item.is_table();
    });
    out_ += '[';
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (i > 0) out_ += pretty() && flat ? ", " : ",";
      if (!flat) break_line(indent + 1);
      write(list[i], indent + 1);
    }
    if (!flat) break_line(indent);
    out_ += ']';
  }

  void write_table(const Value::Table& table, std::size_t indent) {
    std::vector<const Value::Entry*> entries;
    for (const Value::Entry& entry : table) entries.push_back(&entry);
    if (canonical()) {
      std::sort(entries.begin(), entries.end(), [](auto* a, auto* b) { return a->key < b->key; });
    }
    out_ += '{';
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += ',';
      break_line(indent + 1);
      write_string(entries[i]->key);
      out_ += pretty() ? ": " : ":";
      write(entries[i]->value, indent + 1);
    }
    if (!entries.empty()) break_line(indent);
    out_ += '}';
  }

  JsonStyle style_;
  std::string out_;
};

// ---- Reading ----

// Hands the text to the parser and remembers how much of it was taken, for error positions.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** taken = nullptr;

  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    *taken = ++at;
    return *this;
  }
  friend bool operator==(const CountingIterator& a, const CountingIterator& b) {
    return a.at == b.at;
  }
  friend bool operator!=(const CountingIterator& a, const CountingIterator& b) {
    return a.at != b.at;
  }
};

// The callbacks of nlohmann's event parser (their names are its), building a Value.
class ValueBuilder {
 public:
  ValueBuilder(std::string_view text, std::string_view source, const char* const& taken)
      : text_(text), source_(source), taken_(taken) {}

  bool null() { return add(Value()); }
  bool boolean(bool value) { return add(Value(value)); }
  bool number_integer(std::int64_t value) { return add(Value(value)); }
  bool number_unsigned(std::uint64_t value) {
    const bool fits = value <= static_cast<std::uint64_t>(INT64_MAX);
    return add(fits ? Value(static_cast<std::int64_t>(value)) : Value(static_cast<double>(value)));
  }
  bool number_float(double value, const std::string&) { return add(Value(value)); }
  bool string(std::string& value) { return add(Value(std::move(value))); }
  bool binary(nlohmann::json::binary_t&) { return false; }  // binary formats only

  bool start_object(std::size_t) { return open(Value::table()); }
  bool end_object() {
    check_unique_keys(open_.back()->as_table());
    return close();
  }
  bool start_array(std::size_t) { return open(Value::list()); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    open_.back()->as_table().push_back({std::move(name), Value(), here()});
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& reason) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ...";
    // position is one past the offending byte, or further at the end of the text.
    std::string_view what = reason.what();
    if (const auto id = what.find("] "); id != what.npos) what.remove_prefix(id + 2);
    if (what.starts_with("parse error at")) {
      if (const auto colon = what.find(": "); colon != what.npos) what.remove_prefix(colon + 2);
    }
    const std::size_t offset = position > 0 ? position - 1 : 0;
    const std::string_view rest = text_.substr(std::min(offset, text_.size()));
    for (const std::string_view word : {"NaN", "Infinity"}) {  // as Python's json.dump writes them
      if (rest.starts_with(word)) {
        fail(offset, cat("malformed JSON: ", word, " is not a finite number", within()));
      }
    }
    fail(offset,
         cat("malformed JSON: ", what, what.starts_with("number overflow") ? within() : ""));
  }

  Value take() { return std::move(root_); }

 private:
  // Counting goes on from the last call, so that all calls together read the text once.
  Origin here() {
    const auto offset = static_cast<std::size_t>(taken_ - text_.data());
    line_ += std::count(text_.begin() + static_cast<std::ptrdiff_t>(counted_),
                        text_.begin() + static_cast<std::ptrdiff_t>(offset), '\n');
    counted_ = offset;
    // The parser has read one character past a number: it may be the line's end.
    const bool past = offset > 0 && text_[offset - 1] == '\n';
    return Origin{source_, past ? line_ - 1 : line_, 0};
  }

  [[noreturn]] void fail(std::size_t offset, std::string message) const {
    const std::string_view before = text_.substr(0, offset);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
    const auto column = std::count_if(before.begin() + static_cast<std::ptrdiff_t>(start),
                                      before.end(), [](char c) { return (c & 0xC0) != 0x80; });
    throw Error(ErrorKind::data, std::move(message)).at({source_, line, column + 1});
  }

  [[noreturn]] void fail_here(std::string message) const {
    const auto offset = static_cast<std::size_t>(taken_ - text_.data());
    fail(offset > 0 ? offset - 1 : 0, std::move(message));
  }

  // ", in rewards.a": the keys that lead to what is read.
  std::string within() const {
    std::string out;
    for (const Value* container : open_) {
      if (!container->is_table() || container->as_table().empty()) continue;
      out += (out.empty() ? ", in " : ".") + container->as_table().back().key;
    }
    return out;
  }

  Value& place(Value value) {
    value.with_origin(here());
    if (open_.empty()) return root_ = std::move(value);
    if (open_.back()->is_list()) return open_.back()->push(std::move(value));
    return open_.back()->as_table().back().value = std::move(value);
  }

  bool add(Value value) {
    place(std::move(value));
    return true;
  }

  bool open(Value container) {
    if (open_.size() >= kMaxDepth) {
      fail_here(cat("JSON nested deeper than ", kMaxDepth, " levels"));
    }
    open_.push_back(&place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  void check_unique_keys(const Value::Table& table) const {
    std::vector<std::string_view> keys;
    for (const Value::Entry& entry : table) keys.push_back(entry.key);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice == keys.end()) return;
    fail_here(cat("the JSON object that ends here has the key '", *twice, "' twice"));
  }

  std::string_view text_;
  std::string source_;
  const char* const& taken_;
  std::size_t counted_ = 0;
  std::int64_t line_ = 1;
  Value root_;
  std::vector<Value*> open_;  // the containers being filled; only the innermost one grows
};

// ---- TOML ----

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\b': out += "\\b"; break;
      case '\t': out += "\\t"; break;
      case '\n': out += "\\n"; break;
      case '\f': out += "\\f"; break;
      case '\r': out += "\\r"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          constexpr char kDigits[] = "0123456789ABCDEF";
          out += cat("\\u00", kDigits[(c >> 4) & 0xF], kDigits[c & 0xF]);
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return bare ? std::string(key) : toml_string(key);
}

std::string toml_list(const Value::List& list) {
  std::string out = "[";
  for (const Value& item : list) out += (out.size() > 1 ? ", " : "") + to_toml(item);
  return out + ']';
}

std::string toml_table(const Value::Table& table) {
  if (table.empty()) return "{}";
  std::string out = "{ ";
  for (const Value::Entry& entry : table) {
    if (out.size() > 2) out += ", ";
    out += toml_key(entry.key) + " = " + to_toml(entry.value);
  }
  return out + " }";
}

}  // namespace

std::string to_json(const Value& value, JsonStyle style) {
  JsonWriter writer(style);
  writer.write(value, 0);
  return writer.take();
}

Value from_json(std::string_view text, std::string_view source) {
  const char* taken = text.data();
  ValueBuilder builder(text, source, taken);
  nlohmann::json::sax_parse(CountingIterator{text.data(), &taken},
                            CountingIterator{text.data() + text.size(), &taken}, &builder);
  return builder.take();
}

std::string to_toml(const Value& value) {
  switch (value.type()) {
    case Value::Type::null: return "null";
    case Value::Type::boolean: return value.as_bool() ? "true" : "false";
    case Value::Type::integer: return std::to_string(value.as_int());
    case Value::Type::real: return real_text(value.as_real());
    case Value::Type::string: return toml_string(value.as_string());
    case Value::Type::list: return toml_list(value.as_list());
    case Value::Type::table: return toml_table(value.as_table());
  }
  return "null";
}

}  // namespace saffron::inline sdk_v1
