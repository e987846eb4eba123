#pragma once

#include <saffron/schema_params.h>

#include <functional>
#include <memory>
#include <string>
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

  // The parameters of a part that several components share, in this component's own table; defaults
  // are those of Options{}.*member.
  template <class Part>
  Schema include(Part Options::* member, const Schema<Part>& part) && {
    const Options defaults{};
    for (const Field& inner : part.fields_) {
      Field field = inner;
      field.assign = [member, set = inner.assign](const Value& v, void* o) {
        set(v, &(static_cast<Options*>(o)->*member));
      };
      field.encode = [member, get = inner.encode](const void* o) {
        return get(&(static_cast<const Options*>(o)->*member));
      };
      if (inner.bind) {
        field.bind = [member, bind = inner.bind](void* o, Services& s) {
          bind(&(static_cast<Options*>(o)->*member), s);
        };
      }
      add(std::move(field), {}, &defaults);
    }
    if (!part.check_) return std::move(*this);
    return std::move(*this).check(
        [member, rule = part.check_](const Options& o) { return rule(&(o.*member)); });
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
  template <class>
  friend class Schema;

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
