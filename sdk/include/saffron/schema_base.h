#pragma once

#include <saffron/value.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// What a schema is made of (schema.h): references, what a parameter says of itself, rules, and the
// schema without the type of its options.

namespace saffron::inline sdk_v1 {

class Context;
class Services;

// A file or directory; relative ones are relative to the working directory.
struct Path {
  std::string value;
  friend bool operator==(const Path&, const Path&) = default;
};

// A value read from the environment: the recipe holds the variable's name, `value` what it held.
struct Secret {
  std::string variable;
  std::string value;
};

// What a reference to a node of kind K points to: K itself, unless the kind says otherwise (sae.h).
template <class K>
struct Referent {
  using Type = K;
};

// The name of a node in a recipe, and, once the component is created, that node's object.
template <class K>
class Ref {
 public:
  using Type = typename Referent<K>::Type;
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] explicit operator bool() const { return object_ != nullptr; }
  [[nodiscard]] Type* get() const { return object_.get(); }
  Type& operator*() const { return *object_; }
  Type* operator->() const { return object_.get(); }

  Ref() = default;
  Ref(std::string name, std::shared_ptr<Type> object)
      : name_(std::move(name)), object_(std::move(object)) {}

 private:
  template <class>
  friend class Schema;
  friend struct ReferenceAccess;
  std::string name_;
  Origin origin_;
  std::shared_ptr<Type> object_;
};

// Names of nodes; after creation one element a member (a grid's name stands for all its members).
template <class K>
class RefList : public std::vector<Ref<K>> {};

// A nested component: a table with `use`, or the name of a node that has one.
template <class K>
class Child {
 public:
  [[nodiscard]] explicit operator bool() const { return object_ != nullptr; }
  [[nodiscard]] K* get() const { return object_.get(); }
  K& operator*() const { return *object_; }
  K* operator->() const { return object_.get(); }
  [[nodiscard]] std::shared_ptr<K> share() const { return object_; }

  Child() = default;
  explicit Child(const char* use) : config_(Value::table()) { config_.set("use", Value(use)); }
  explicit Child(std::shared_ptr<K> object) : object_(std::move(object)) {}

 private:
  friend struct ReferenceAccess;
  Value config_;
  std::shared_ptr<K> object_;
};

// ---- what a schema says of itself and of a value --------------------------------------------

enum class ParamType : std::uint8_t {  // as saffron_param_type of abi.h
  boolean,
  integer,
  real,
  string,
  path,
  secret,
  table,
  reference,
  component
};

struct ParamInfo {
  std::string name, doc, unit, range, since, alias, component_kind;
  ParamType type = ParamType::string;
  bool list = false, optional = false, required = false;
  bool hashed = false, hidden = false, unhashed = false;
  std::vector<std::string> choices;
  std::optional<Value> default_value;
  std::vector<ParamInfo> fields;
};

struct Problem {
  Origin origin;
  std::string path;     // "sae.student.k"
  std::string message;  // "expected int, got string"
  std::string help;     // "did you mean 'aux_coef'?"
  bool warning = false;
};

// What decoding a component's table yields, beside the options: everything that the host must know.
struct Decoded {
  struct Reference {
    std::string kind, node, path;
    Origin origin;
    bool list = false;
  };
  struct Nested {
    std::string kind, path;  // path from the component: "tokenizer"
    Value config;            // a table with `use`, or a string
  };
  std::string path;  // in: where the component stands, "sae.student"
  std::vector<Problem> problems;
  std::vector<Reference> references;
  std::vector<Nested> nested;
  std::vector<std::string> hashed_files;  // paths (or globs) whose content is an input
  Value resolved = Value::table();        // every parameter, defaults filled in, UNHASHED ones too

  [[nodiscard]] SAFFRON_EXPORT bool ok() const;
};

// ---- rules ----------------------------------------------------------------------------------

// Narrows or describes a parameter; several may be given.
struct Rule {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false, high_open = false;
  bool required = false, hashed = false, hidden = false, unhashed = false, not_empty = false;
  std::vector<std::string> choices = {};
  std::string unit = {}, since = {}, alias = {};
};

[[nodiscard]] inline Rule at_least(double x) { return {.low = x}; }
[[nodiscard]] inline Rule at_most(double x) { return {.high = x}; }
[[nodiscard]] inline Rule between(double a, double b) { return {.low = a, .high = b}; }
[[nodiscard]] inline Rule positive() { return {.low = 0, .low_open = true}; }
[[nodiscard]] inline Rule non_negative() { return {.low = 0}; }
[[nodiscard]] inline Rule fraction() { return {.low = 0, .high = 1}; }
[[nodiscard]] inline Rule below_one() { return {.low = 0, .high = 1, .high_open = true}; }
[[nodiscard]] inline Rule one_of(std::initializer_list<const char*> words) {
  return {.choices = {words.begin(), words.end()}};
}
[[nodiscard]] inline Rule required() { return {.required = true}; }
[[nodiscard]] inline Rule hashed_file() { return {.hashed = true}; }
[[nodiscard]] inline Rule not_in_hash() { return {.unhashed = true}; }
[[nodiscard]] inline Rule not_empty() { return {.not_empty = true}; }  // "" and [] are problems
[[nodiscard]] inline Rule hidden() { return {.hidden = true}; }
[[nodiscard]] inline Rule unit(const char* text) { return {.unit = text}; }
[[nodiscard]] inline Rule formerly(const char* name) { return {.alias = name}; }

// ---- the schema, without its type -------------------------------------------------------------

class SAFFRON_EXPORT SchemaBase {
 public:
  virtual ~SchemaBase();
  [[nodiscard]] std::vector<ParamInfo> params() const;
  // Checks `config` (a table without its `use`) and, unless `options` is null, fills it. Every
  // problem is collected, none thrown. After problems the options are unspecified.
  void decode(const Value& config, void* options, Decoded& out) const;
  // The options as a table; what decode would read back.
  [[nodiscard]] Value encode(const void* options) const;
  // Resolves references and nested components of decoded options. Throws what the host throws.
  void bind(void* options, Services& services) const;

 protected:
  struct Field {
    ParamInfo info;
    Rule rule;
    std::shared_ptr<const SchemaBase> nested;         // of a table
    std::function<void(const Value&, void*)> assign;  // after every check has passed
    std::function<Value(const void*)> encode;         // of the default
    std::function<void(void*, Services&)> bind;       // empty when there is nothing to bind
  };
  void add(Field field, std::initializer_list<Rule> rules, const void* defaults);

  std::vector<Field> fields_;
  std::function<std::string(const void*)> check_;
  std::function<std::shared_ptr<void>()> make_;

 private:
  bool check_value(const Field& field, const Value& value, const std::string& path,
                   Decoded& out) const;
  bool check_item(const Field& field, const Value& value, const std::string& path,
                  Decoded& out) const;
};

}  // namespace saffron::inline sdk_v1
