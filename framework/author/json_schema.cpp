#include "framework/author/json_schema.h"

#include "framework/author/json_params.h"
#include "framework/recipe/kinds.h"
#include "framework/recipe/node_keys.h"
#include "framework/recipe/settings.h"
#include "framework/recipe/vary.h"

#include <saffron/build_tag.h>

#include <algorithm>

namespace saffron::host {
namespace {

// Keys of `vary`: "seed", "SAE.key", "regularizer.NAME.key".
constexpr const char* kAxisPattern = "^(seed|[^.]+(\\.[^.]+)+)$";
constexpr const char* kNotOfSaes = "^(seed$|regularizer\\.)";
constexpr const char* kOfRegularizers = "^regularizer\\.";

class Builder {
 public:
  explicit Builder(const std::vector<Offer>& offers) : offers_(offers) {}

  Value recipe() {
    Value out = object("$schema", Value("http://json-schema.org/draft-07/schema#"));
    out.set("title", Value("Saffron recipe"));
    out.set("$comment", Value(comment()));
    out.set("type", Value("object"));
    Value properties = settings();
    for (const std::string& section : section_names()) {
      properties.set(section, nodes_of(*kind_of_section(section)));
    }
    out.set("properties", std::move(properties));
    out.set("additionalProperties", Value(false));
    out.set("if", open(object("required", strings({"extends"}))));
    out.set("then", Value(true));
    out.set("else", needs_of_recipe());
    out.set("definitions", definitions());
    return out;
  }

 private:
  std::string comment() const {
    std::vector<std::string> ids;
    for (const Offer& offer : offers_) ids.push_back(offer.plugin);
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    std::string out = cat("Made by `saffron schema` of Saffron ", SAFFRON_SDK_VERSION, " from");
    for (const std::string& id : ids) out += ' ' + id;
    return out;
  }

  static Value settings() {
    Value out = Value::table();
    for (const ParamInfo& param : setting_params()) {
      Value schema = param_schema(param);
      if (param.name == "saffron") schema.set("const", Value(kRecipeFormat));
      if (param.name == "device") schema.set("pattern", Value(kDevicePattern));
      if (param.name == "name") {
        schema.set("pattern", Value(kRunNamePattern));
        schema.set("maxLength", Value(static_cast<std::int64_t>(kLongestRunName)));
      }
      out.set(param.name, std::move(schema));
    }
    return out;
  }

  static Value nodes_of(const Kind& kind) {
    Value out = object("description",
                       Value(cat(kind.meaning, "; one table [", kind.section, ".NAME] each")));
    out.set("type", Value("object"));
    out.set("propertyNames", object("pattern", Value(kNodeNamePattern)));
    out.set("additionalProperties", reference_to(definition_of(kind)));
    return out;
  }

  static std::string definition_of(const Kind& kind) {
    return *kind.name == 0 ? kind.section : kind.name;
  }

  std::vector<const Offer*> offers_of(std::string_view kind) const {
    std::vector<const Offer*> out;
    for (const Offer& offer : offers_) {
      if (offer.kind == kind) out.push_back(&offer);
    }
    return out;
  }

  std::string definition_of(const Offer& offer) const {
    return cat(offer.kind, '.', uses_of(offer, offers_)[0]);
  }

  // Kinds that a recipe can name: those with tables of their own, and those nested in them.
  std::vector<std::string> recipe_kinds() const {
    std::vector<std::string> out;
    for (const Kind& kind : kinds()) {
      if (!table_header(kind.name).empty()) out.emplace_back(kind.name);
    }
    add_nested_kinds(own_params("train"), out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (const Offer* offer : offers_of(std::string(out[i]))) {
        add_nested_kinds(offer->params, out);
      }
    }
    return out;
  }

  Value definitions() {
    Value out = object("train", train());
    out.set("needs.train", needs_of_train());
    for (const std::string& kind : recipe_kinds()) {
      define(kind, kind, keys_beside(kind), out);
      const std::string nested = nested_definition(kind);
      if (nested != kind) define(kind, nested, {}, out);
    }
    return out;
  }

  // Tables of the kind with these keys beside each component's own, under that name.
  void define(const std::string& kind, const std::string& name, const std::vector<ParamInfo>& keys,
              Value& out) const {
    const std::string prefix = name.substr(0, name.size() - kind.size());
    out.set(name, table_of(kind, prefix, keys));
    for (const Offer* offer : offers_of(kind)) {
      out.set(prefix + definition_of(*offer), component(*offer, keys));
    }
    out.set("needs." + name, needs_of_kind(kind, keys));
  }

  // `use`, with what each component does for editors that show it.
  Value use_schema(std::string_view kind) const {
    std::vector<std::string> words;
    Value hints = Value::list();
    for (const Offer* offer : offers_of(kind)) {
      for (std::string& use : uses_of(*offer, offers_)) {
        words.push_back(std::move(use));
        hints.push(Value(offer->summary));
      }
    }
    Value out = object("description", Value(cat("which ", kind, " this is")));
    out.set("type", Value("string"));
    out.set("enum", strings(words));
    out.set("x-taplo", object("docs", object("enumValues", std::move(hints))));
    return out;
  }

  Value uses(const Offer& offer) const {
    Value out =
        object("properties", object("use", object("enum", strings(uses_of(offer, offers_)))));
    out.set("required", strings({"use"}));
    return open(std::move(out));
  }

  // if use = "a" then A else if use = "b" then B ...
  template <class Then>
  Value chain(std::string_view kind, Then then) const {
    Value out = Value::table();
    const std::vector<const Offer*> offers = offers_of(kind);
    for (auto offer = offers.rbegin(); offer != offers.rend(); ++offer) {
      std::optional<Value> branch = then(**offer);
      if (!branch) continue;
      Value link = object("if", uses(**offer));
      link.set("then", std::move(*branch));
      if (!out.as_table().empty()) link.set("else", std::move(out));
      out = open(std::move(link));
    }
    return out;
  }

  Value table_of(const std::string& kind, const std::string& prefix,
                 const std::vector<ParamInfo>& keys) const {
    Value out = object("title", Value(kind));
    out.set("description", Value(find_kind(kind)->meaning));
    out.set("type", Value("object"));
    Value properties = object("use", use_schema(kind)), dependencies = Value::table();
    add_params(keys, "", properties, dependencies);
    out.set("properties", std::move(properties));
    Value any = Value::list();
    any.push(only_use());
    for (const Offer* offer : offers_of(kind))
      any.push(reference_to(prefix + definition_of(*offer)));
    out.set("anyOf", std::move(any));
    add_all(out, chain(kind, [&](const Offer& offer) {
              return std::optional(reference_to(prefix + definition_of(offer)));
            }));
    out.set("x-taplo", object("initKeys", strings({"use"})));
    return open(std::move(out));
  }

  static Value component(const Offer& offer, const std::vector<ParamInfo>& keys) {
    Value out = object("title", Value(cat(offer.name, ": ", offer.summary)));
    out.set("type", Value("object"));
    // table_of() describes `use`; again here, editors would offer it twice.
    Value properties = object("use", Value(true)), dependencies = Value::table();
    add_params(offer.params, offer.name, properties, dependencies);
    add_params(keys, "", properties, dependencies);
    out.set("properties", std::move(properties));
    if (!dependencies.as_table().empty()) out.set("dependencies", std::move(dependencies));
    out.set("additionalProperties", Value(false));
    return out;
  }

  Value train() const {
    Value out = table_schema(own_params("train"), "");
    out.set("description", Value(kind_of_section("train")->meaning));
    Value& properties = *out.find("properties");
    add_all(*properties.find("regularizer"), regularizers());
    add_all(*properties.find("vary"), grid());
    const Value hint = properties.at("objective").at("description");
    add_all(properties.set("objective", object("description", hint)), objective());
    return out;
  }

  static Value regularizers() {
    Value out = object("properties", Value::table());
    out.set("additionalProperties", reference_to("regularizer"));
    return out;
  }

  static Value grid() {
    Value out = object("properties", Value::table());
    out.set("propertyNames", object("pattern", Value(kAxisPattern)));
    Value values = object("type", Value("array"));
    values.set("minItems", Value(1));
    values.set("maxItems", Value(static_cast<std::int64_t>(kLargestGrid)));
    values.set("uniqueItems", Value(true));
    out.set("additionalProperties", std::move(values));
    return out;
  }

  // A string stands for a table with that `use`.
  Value objective() const {
    Value out = object("type", strings({"string", "object"}));
    const Value table = reference_to("objective");
    out.set("if", object("type", Value("object")));
    out.set("then", table);
    Value words = use_schema("objective");
    words.erase("description");
    out.set("else", words);
    Value any = Value::list();
    any.push(Value(true));
    any.push(table);
    any.push(std::move(words));
    out.set("anyOf", std::move(any));
    return out;
  }

  // ---- what must be given ----

  Value needs_of_kind(const std::string& kind, std::vector<ParamInfo> own) const {
    ParamInfo use;
    use.name = "use";
    use.required = true;
    own.insert(own.begin(), std::move(use));
    Value out = *host::needs_of(own);
    add_all(out, chain(kind, [](const Offer& offer) { return host::needs_of(offer.params); }));
    return out;
  }

  static Value only_use() { return open(object("required", strings({"use"}))); }

  static Value every(Value node) { return object("additionalProperties", std::move(node)); }

  // Whether all keys of a train node's grid, if it has one, are such.
  static Value axes(Value names) {
    return open(
        object("properties", object("vary", open(object("propertyNames", std::move(names))))));
  }

  static Value needs_of_train() {
    Value out = *host::needs_of(own_params("train"));
    const auto regularizers = [](Value each) {
      return open(object("properties", object("regularizer", every(std::move(each)))));
    };
    out.set("if", axes(object("not", object("pattern", Value(kOfRegularizers)))));
    out.set("then", regularizers(reference_to("needs.regularizer")));
    out.set("else", regularizers(only_use()));
    return out;
  }

  static Value needs_of_recipe() {
    Value out = *host::needs_of(setting_params());
    Value properties = Value::table();
    for (const std::string& section : section_names()) {
      if (section == "sae") continue;
      const Kind& kind = *kind_of_section(section);
      properties.set(section, every(reference_to("needs." + definition_of(kind))));
    }
    out.set("properties", std::move(properties));
    const auto saes = [](Value each) {
      return open(object("properties", object("sae", every(std::move(each)))));
    };
    out.set("if", open(object("properties",
                              object("train", every(axes(object("pattern", Value(kNotOfSaes))))))));
    out.set("then", saes(reference_to("needs.sae")));
    out.set("else", saes(only_use()));
    return out;
  }

  const std::vector<Offer>& offers_;
};

}  // namespace

Value json_schema(const std::vector<Offer>& offers) { return Builder(offers).recipe(); }

}  // namespace saffron::host
