#pragma once

#include <saffron/value.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// One schema a component: the single source of decoding, validation, defaults, `inspect`, reference
// pages, the JSON Schema for editors, and the resolved recipe.
//
//   struct Options { std::int64_t k = 32; std::string activation = "relu"; Ref<Model> model; };
//   static auto schema() {
//     return saffron::Schema<Options>{}
//         .param("k", &Options::k, "active latents per sample", saffron::at_least(1))
//         .param("activation", &Options::activation, "before selection",
//                saffron::one_of({"relu", "identity"}))
//         .param("model", &Options::model, "the language model", saffron::required())
//         .check([](const Options& o) { return o.k > 1 ? "" : "k = 1 keeps nothing to compare"; });
//   }
//
// Defaults are the member initialisers. An int widens to a float; nothing else converts. Members
// may be bool, int64_t, double, std::string, an enum (with choices), Path, Secret, a struct with a
// schema() of its own, Ref, RefList, Child, and std::vector or std::optional of these.

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
[[nodiscard]] inline Rule not_empty() { return {.not_empty = true}; }
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

// ---- from C++ types to parameters -------------------------------------------------------------

// What Services (context.h) makes of a name or a nested component's table.
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<void> resolve_reference(Services& services,
                                                                     const char* kind,
                                                                     const std::string& node,
                                                                     const Origin& origin);
[[nodiscard]] SAFFRON_EXPORT std::vector<std::string> resolve_members(Services& services,
                                                                      const char* kind,
                                                                      const std::string& node,
                                                                      const Origin& origin);
[[nodiscard]] SAFFRON_EXPORT std::shared_ptr<void> resolve_child(Services& services,
                                                                 const char* kind,
                                                                 const Value& config);

// Whether a member of this type holds references or nested components, or a struct that may.
template <class T>
inline constexpr bool kBinds = requires { T::schema(); };
template <class K>
inline constexpr bool kBinds<Ref<K>> = true;
template <class K>
inline constexpr bool kBinds<RefList<K>> = true;
template <class K>
inline constexpr bool kBinds<Child<K>> = true;
template <class T>
inline constexpr bool kBinds<std::vector<T>> = kBinds<T>;
template <class T>
inline constexpr bool kBinds<std::optional<T>> = kBinds<T>;

struct ReferenceAccess {
  template <class K>
  static void set(Ref<K>& ref, const Value& value) {
    ref.name_ = value.as_string();
    ref.origin_ = value.origin();
  }
  template <class K>
  static const std::string& name(const Ref<K>& ref) {
    return ref.name_;
  }
  template <class K>
  static void bind(Ref<K>& ref, Services& services) {
    if (ref.name_.empty()) return;
    ref.object_ = std::static_pointer_cast<typename Ref<K>::Type>(
        resolve_reference(services, K::kKind, ref.name_, ref.origin_));
  }
  template <class K>
  static void bind(RefList<K>& list, Services& services) {
    RefList<K> members;
    for (const Ref<K>& ref : list) {
      for (const std::string& node : resolve_members(services, K::kKind, ref.name_, ref.origin_)) {
        Ref<K> member;
        member.name_ = node;
        member.origin_ = ref.origin_;
        bind(member, services);
        members.push_back(std::move(member));
      }
    }
    list = std::move(members);
  }
  template <class K>
  static void set(Child<K>& child, const Value& value) {
    child.config_ = value;
  }
  template <class K>
  static const Value& config(const Child<K>& child) {
    return child.config_;
  }
  template <class K>
  static void bind(Child<K>& child, Services& services) {
    if (child.config_.is_null()) return;
    child.object_ = std::static_pointer_cast<K>(resolve_child(services, K::kKind, child.config_));
  }
  template <class T>
  static void bind(std::vector<T>& members, Services& services)
    requires kBinds<T>
  {
    for (T& member : members) bind(member, services);
  }
  template <class T>
  static void bind(std::optional<T>& member, Services& services)
    requires kBinds<T>
  {
    if (member) bind(*member, services);
  }
  template <class T>
  static void bind(T& member, Services& services)
    requires requires { T::schema(); }
  {
    T::schema().bind(&member, services);
  }
};

SAFFRON_EXPORT Secret read_secret(const std::string& variable);

// ParamOf<T>: how a member of type T is declared, decoded, encoded and bound.
template <class T, class = void>
struct ParamOf {  // a struct with a schema of its own
  static constexpr ParamType type = ParamType::table;
  static auto schema() { return T::schema(); }
  static void set(T& member, const Value& v) {
    Decoded scratch;
    T::schema().decode(v, &member, scratch);
  }
  static Value get(const T& member) { return T::schema().encode(&member); }
};
template <>
struct ParamOf<bool> {
  static constexpr ParamType type = ParamType::boolean;
  static void set(bool& member, const Value& v) { member = v.as_bool(); }
  static Value get(const bool& member) { return Value(member); }
};
template <>
struct ParamOf<std::int64_t> {
  static constexpr ParamType type = ParamType::integer;
  static void set(std::int64_t& member, const Value& v) { member = v.as_int(); }
  static Value get(const std::int64_t& member) { return Value(member); }
};
template <>
struct ParamOf<double> {
  static constexpr ParamType type = ParamType::real;
  static void set(double& member, const Value& v) { member = v.as_real(); }
  static Value get(const double& member) { return Value(member); }
};
template <>
struct ParamOf<std::string> {
  static constexpr ParamType type = ParamType::string;
  static void set(std::string& member, const Value& v) { member = v.as_string(); }
  static Value get(const std::string& member) { return Value(member); }
};
template <>
struct ParamOf<Path> {
  static constexpr ParamType type = ParamType::path;
  static void set(Path& member, const Value& v) { member.value = v.as_string(); }
  static Value get(const Path& member) { return Value(member.value); }
};
template <>
struct ParamOf<Secret> {
  static constexpr ParamType type = ParamType::secret;
  static void set(Secret& member, const Value& v) { member = read_secret(v.as_string()); }
  static Value get(const Secret& member) { return Value(member.variable); }
};
template <class K>
struct ParamOf<Ref<K>> {
  static constexpr ParamType type = ParamType::reference;
  static constexpr const char* kind = K::kKind;
  static void set(Ref<K>& member, const Value& v) { ReferenceAccess::set(member, v); }
  static Value get(const Ref<K>& member) { return Value(ReferenceAccess::name(member)); }
};
template <class K>
struct ParamOf<Child<K>> {
  static constexpr ParamType type = ParamType::component;
  static constexpr const char* kind = K::kKind;
  static void set(Child<K>& member, const Value& v) { ReferenceAccess::set(member, v); }
  static Value get(const Child<K>& member) { return ReferenceAccess::config(member); }
};
template <class T>
struct ParamOf<std::vector<T>> : ParamOf<T> {
  static constexpr bool list = true;
  static void set(std::vector<T>& member, const Value& v) {
    member.clear();
    for (const Value& item : v.as_list()) {
      T element{};
      ParamOf<T>::set(element, item);
      member.push_back(std::move(element));
    }
  }
  static Value get(const std::vector<T>& member) {
    Value out = Value::list();
    for (const T& element : member) out.push(ParamOf<T>::get(element));
    return out;
  }
};
template <class K>
struct ParamOf<RefList<K>> : ParamOf<Ref<K>> {
  static constexpr bool list = true;
  static void set(RefList<K>& member, const Value& v) {
    member.clear();
    for (const Value& item : v.as_list()) {
      Ref<K> element;
      ReferenceAccess::set(element, item);
      member.push_back(std::move(element));
    }
  }
  static Value get(const RefList<K>& member) {
    Value out = Value::list();
    for (const Ref<K>& element : member) out.push(ParamOf<Ref<K>>::get(element));
    return out;
  }
};
template <class T>
struct ParamOf<std::optional<T>> : ParamOf<T> {
  static constexpr bool optional = true;
  static void set(std::optional<T>& member, const Value& v) {
    T element{};
    ParamOf<T>::set(element, v);
    member = std::move(element);
  }
  static Value get(const std::optional<T>& member) {
    return member ? ParamOf<T>::get(*member) : Value();
  }
};

// ---- the schema of an Options struct ------------------------------------------------------------

template <class Options>
class Schema final : public SchemaBase {
 public:
  Schema() {
    make_ = [] { return std::shared_ptr<void>(std::make_shared<Options>()); };
  }

  template <class T, class... Rules>
  Schema param(const char* name, T Options::* member, const char* doc, Rules... rules) && {
    Field field = describe<T>(name, doc);
    field.assign = [member](const Value& v, void* o) {
      ParamOf<T>::set(static_cast<Options*>(o)->*member, v);
    };
    field.encode = [member](const void* o) {
      return ParamOf<T>::get(static_cast<const Options*>(o)->*member);
    };
    if constexpr (kBinds<T>) {
      field.bind = [member](void* o, Services& s) {
        ReferenceAccess::bind(static_cast<Options*>(o)->*member, s);
      };
    }
    const Options defaults{};
    add(std::move(field), {rules...}, &defaults);
    return std::move(*this);
  }

  // An enum, spelled by words: .choice("convention", &O::convention, "doc", {{"sum", E::sum}, ...}).
  template <class E, class... Rules>
  Schema choice(const char* name, E Options::* member, const char* doc,
                std::vector<std::pair<std::string, E>> words, Rules... rules) && {
    Field field = describe<std::string>(name, doc);
    for (const auto& [word, value] : words) field.rule.choices.push_back(word);
    field.assign = [member, words](const Value& v, void* o) {
      for (const auto& [word, value] : words) {
        if (word == v.as_string()) static_cast<Options*>(o)->*member = value;
      }
    };
    field.encode = [member, words](const void* o) {
      for (const auto& [word, value] : words) {
        if (static_cast<const Options*>(o)->*member == value) return Value(word);
      }
      return Value();
    };
    const Options defaults{};
    add(std::move(field), {rules...}, &defaults);
    return std::move(*this);
  }

  // A rule across parameters: returns "" or what is wrong.
  Schema check(std::function<std::string(const Options&)> rule) && {
    check_ = [previous = check_, rule = std::move(rule)](const void* o) {
      std::string text = previous ? previous(o) : std::string();
      return text.empty() ? rule(*static_cast<const Options*>(o)) : text;
    };
    return std::move(*this);
  }

 private:
  template <class T>
  static Field describe(const char* name, const char* doc) {
    Field field;
    field.info.name = name;
    field.info.doc = doc;
    field.info.type = ParamOf<T>::type;
    if constexpr (requires { ParamOf<T>::list; }) field.info.list = true;
    if constexpr (requires { ParamOf<T>::optional; }) field.info.optional = true;
    if constexpr (requires { ParamOf<T>::kind; }) field.info.component_kind = ParamOf<T>::kind;
    if constexpr (ParamOf<T>::type == ParamType::table) {
      field.nested = std::make_shared<decltype(ParamOf<T>::schema())>(ParamOf<T>::schema());
    }
    return field;
  }
};

}  // namespace saffron::inline sdk_v1
