#include <saffron/value.h>

#include <cmath>
#include <type_traits>

namespace saffron::inline sdk_v1 {

Value::Value() = default;
Value::Value(bool value) : data_(value) {}
Value::Value(std::int64_t value) : data_(value) {}
Value::Value(double value) : data_(value) {}
Value::Value(const char* value) : data_(std::string(value)) {}
Value::Value(std::string value) : data_(std::move(value)) {}
Value::Value(List value) : data_(std::make_unique<List>(std::move(value))) {}
Value::Value(Table value) : data_(std::make_unique<Table>(std::move(value))) {}

Value::Value(const Value& other) : origin_(other.origin_) {
  std::visit(
      [this](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_copy_constructible_v<Content>) {
          data_ = content;
        } else {
          data_ = std::make_unique<typename Content::element_type>(*content);
        }
      },
      other.data_);
}

// A moved-from value is null, never a list or table without content.
Value::Value(Value&& other) noexcept
    : data_(std::exchange(other.data_, std::monostate{})), origin_(std::move(other.origin_)) {}

Value& Value::operator=(const Value& other) {
  if (this != &other) *this = Value(other);
  return *this;
}

Value& Value::operator=(Value&& other) noexcept {
  if (this == &other) return *this;
  // Taken out first: `other` may live inside this value's own list or table.
  auto data = std::exchange(other.data_, std::monostate{});
  auto origin = std::move(other.origin_);
  data_ = std::move(data);
  origin_ = std::move(origin);
  return *this;
}

Value::~Value() = default;

Value Value::table() { return Value(Table{}); }

Value::Type Value::type() const { return static_cast<Type>(data_.index()); }

const char* Value::type_name() const {
  switch (type()) {
    case Type::null: return "null";
    case Type::boolean: return "bool";
    case Type::integer: return "int";
    case Type::real: return "float";
    case Type::string: return "string";
    case Type::list: return "list";
    case Type::table: return "table";
  }
  return "null";
}

namespace {

[[noreturn]] void throw_type(const Value& value, const char* wanted) {
  const bool scalar = !value.is_null() && !value.is_list() && !value.is_table();
  const std::string shown = scalar ? cat(' ', to_toml(value)) : std::string();
  throw Error(cat("expected ", wanted, ", found ", value.type_name(), shown)).at(value.origin());
}

}  // namespace

bool Value::as_bool() const {
  if (const bool* found = std::get_if<bool>(&data_)) return *found;
  throw_type(*this, "bool");
}

std::int64_t Value::as_int() const {
  if (const auto* found = std::get_if<std::int64_t>(&data_)) return *found;
  throw_type(*this, "int");
}

double Value::as_real() const {
  if (const double* found = std::get_if<double>(&data_)) return *found;
  if (is_int()) return static_cast<double>(as_int());
  throw_type(*this, "float");
}

const std::string& Value::as_string() const {
  if (const auto* found = std::get_if<std::string>(&data_)) return *found;
  throw_type(*this, "string");
}

const Value::List& Value::as_list() const {
  if (const auto* found = std::get_if<std::unique_ptr<List>>(&data_)) return **found;
  throw_type(*this, "list");
}

Value::List& Value::as_list() { return const_cast<List&>(std::as_const(*this).as_list()); }

const Value::Table& Value::as_table() const {
  if (const auto* found = std::get_if<std::unique_ptr<Table>>(&data_)) return **found;
  throw_type(*this, "table");
}

Value::Table& Value::as_table() { return const_cast<Table&>(std::as_const(*this).as_table()); }

const Value::Entry* Value::find_entry(std::string_view key) const {
  for (const Entry& entry : as_table()) {
    if (entry.key == key) return &entry;
  }
  return nullptr;
}

const Value* Value::find(std::string_view key) const {
  const Entry* entry = find_entry(key);
  return entry ? &entry->value : nullptr;
}

Value* Value::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).find(key));
}

const Value& Value::at(std::string_view key) const {
  if (const Value* found = find(key)) return *found;
  std::vector<std::string> keys;
  for (const Entry& entry : as_table()) keys.push_back(entry.key);
  Error error(cat("there is no key '", key, "'"));
  const std::string near = nearest(key, keys.data(), keys.size());
  if (!near.empty()) error.with_help(cat("did you mean '", near, "'?"));
  throw error.at(origin_);
}

Value& Value::set(std::string_view key, Value value, Origin key_origin) {
  Table& table = as_table();
  for (Entry& entry : table) {
    if (entry.key != key) continue;
    entry.value = std::move(value);
    entry.key_origin = std::move(key_origin);
    return entry.value;
  }
  table.push_back({std::string(key), std::move(value), std::move(key_origin)});
  return table.back().value;
}

bool Value::erase(std::string_view key) {
  return std::erase_if(as_table(), [&](const Entry& entry) { return entry.key == key; }) > 0;
}

Value& Value::push(Value value) { return as_list().emplace_back(std::move(value)); }

Value& Value::with_origin(Origin origin) {
  origin_ = std::move(origin);
  return *this;
}

namespace {

// NaN equals NaN here: a value equals its own copy.
bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// Keys are unique, so that equal sizes and every key of `a` found in `b` are enough.
bool same(const Value::Table& a, const Value::Table& b, const Value& b_value) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    // Most tables have their keys in the same order: look at the same place first.
    const Value* other = b[i].key == a[i].key ? &b[i].value : b_value.find(a[i].key);
    if (!other || !(a[i].value == *other)) return false;
  }
  return true;
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Value::Type::null: return true;
    case Value::Type::real: return same(a.as_real(), b.as_real());
    case Value::Type::list: return a.as_list() == b.as_list();
    case Value::Type::table: return same(a.as_table(), b.as_table(), b);
    default: return a.data_ == b.data_;
  }
}

}  // namespace saffron::inline sdk_v1
