#pragma once

#include <saffron/error.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// A recipe's value with its origin: null, bool, int, float, string, list or table.
//
// The host converts a TOML file into one Value tree, once, keeping each value's and each key's
// position; components decode from it (schema.h). It is also the project's JSON document model:
// reports, manifests and metrics are Values written by to_json. Tables keep insertion order.

namespace saffron::inline sdk_v1 {

class SAFFRON_EXPORT Value {
 public:
  struct Entry;
  using List = std::vector<Value>;
  using Table = std::vector<Entry>;
  enum class Type : std::uint8_t { null, boolean, integer, real, string, list, table };

  Value();
  Value(bool value);
  Value(std::int64_t value);
  Value(int value) : Value(static_cast<std::int64_t>(value)) {}
  Value(double value);
  Value(const char* value);
  Value(std::string value);
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(List value);
  Value(Table value);
  Value(const Value&);
  Value(Value&&) noexcept;
  Value& operator=(const Value&);
  Value& operator=(Value&&) noexcept;
  ~Value();

  [[nodiscard]] static Value list() { return Value(List{}); }
  [[nodiscard]] static Value table();

  [[nodiscard]] Type type() const;
  [[nodiscard]] const char* type_name() const;  // "int", "string", ... as recipes call them
  [[nodiscard]] bool is_null() const { return type() == Type::null; }
  [[nodiscard]] bool is_bool() const { return type() == Type::boolean; }
  [[nodiscard]] bool is_int() const { return type() == Type::integer; }
  [[nodiscard]] bool is_number() const { return is_int() || type() == Type::real; }
  [[nodiscard]] bool is_string() const { return type() == Type::string; }
  [[nodiscard]] bool is_list() const { return type() == Type::list; }
  [[nodiscard]] bool is_table() const { return type() == Type::table; }

  // Each throws Error (invalid, at this value's origin) when the type differs; as_real widens int.
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] std::int64_t as_int() const;
  [[nodiscard]] double as_real() const;
  [[nodiscard]] const std::string& as_string() const;
  [[nodiscard]] const List& as_list() const;
  [[nodiscard]] List& as_list();
  [[nodiscard]] const Table& as_table() const;
  [[nodiscard]] Table& as_table();

  // Tables. find: nullptr when absent. at: throws. set: replaces or appends.
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);
  [[nodiscard]] const Entry* find_entry(std::string_view key) const;
  [[nodiscard]] const Value& at(std::string_view key) const;
  Value& set(std::string_view key, Value value, Origin key_origin = {});
  bool erase(std::string_view key);
  // Lists.
  Value& push(Value value);

  [[nodiscard]] const Origin& origin() const { return origin_; }
  Value& with_origin(Origin origin);

  // Equal content; origins do not count, and neither does the order of a table's keys.
  friend SAFFRON_EXPORT bool operator==(const Value& a, const Value& b);

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, std::unique_ptr<List>,
               std::unique_ptr<Table>>
      data_;
  Origin origin_;
};

struct Value::Entry {
  std::string key;
  Value value;
  Origin key_origin;
};

// How JSON is written. Doubles are shortest round-trip; NaN and infinities become null (undefined
// is not 0), or throw under `canonical`, which also sorts keys and drops white space (for hashing).
enum class JsonStyle : std::uint8_t { compact, pretty, canonical };
[[nodiscard]] SAFFRON_EXPORT std::string to_json(const Value& value,
                                                 JsonStyle style = JsonStyle::compact);
// Throws Error (data) with `source`:line:column on malformed text.
[[nodiscard]] SAFFRON_EXPORT Value from_json(std::string_view text, std::string_view source);

// A value as a recipe would spell it: 8, 0.5, "relu", [1, 2], { a = 1 }.
[[nodiscard]] SAFFRON_EXPORT std::string to_toml(const Value& value);

}  // namespace saffron::inline sdk_v1
