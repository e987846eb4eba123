#pragma once

#include <saffron/schema_base.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// From C++ types to parameters (schema.h): how a member of each type is declared, decoded, encoded and
// bound.

namespace saffron::inline sdk_v1 {

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

}  // namespace saffron::inline sdk_v1
