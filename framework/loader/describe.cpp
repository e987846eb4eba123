#include "framework/loader/describe.h"

#include "framework/loader/load.h"
#include "framework/loader/plugin_catalog.h"
#include "framework/recipe/node_keys.h"
#include "framework/recipe/settings.h"

#include <array>
#include <utility>

namespace saffron::host {
namespace {

std::string text(const char* string) { return string == nullptr ? std::string() : string; }

constexpr std::array<std::pair<ParamType, std::string_view>, 7> kTypeWords{{
    {ParamType::boolean, "bool"},
    {ParamType::integer, "int"},
    {ParamType::real, "float"},
    {ParamType::string, "string"},
    {ParamType::path, "path"},
    {ParamType::secret, "secret"},
    {ParamType::table, "table"},
}};
constexpr std::string_view kListOf = "list of ", kNode = " node";

// "int", "list of path", "model node", "tokenizer": the type in a reader's words.
std::string type_text(const ParamInfo& param) {
  std::string word = param.component_kind;
  if (param.type == ParamType::reference) word += kNode;
  for (const auto& [type, text] : kTypeWords) {
    if (type == param.type) word = text;
  }
  return param.list ? cat(kListOf, word) : word;
}

void read_type(std::string_view text, ParamInfo& param) {
  param.list = text.starts_with(kListOf);
  if (param.list) text.remove_prefix(kListOf.size());
  param.type = text.ends_with(kNode) ? ParamType::reference : ParamType::component;
  for (const auto& [type, word] : kTypeWords) {
    if (word == text) param.type = type;
  }
}

void set_text(Value& table, const char* key, const std::string& content) {
  if (!content.empty()) table.set(key, Value(content));
}

Value tag_value(const BuildTag& tag) {
  Value out = Value::table();
  for (const auto& [key, value] : tag.items()) out.set(key, Value(value));
  return out;
}

Value describe_all(const std::vector<ParamInfo>& params) {
  Value out = Value::list();
  for (const ParamInfo& param : params) out.push(describe(param));
  return out;
}

// What a component says of itself.
Value describe_row(const Component& component) {
  const saffron_component& row = component.row();
  Value out = Value::table();
  out.set("kind", Value(row.kind));
  out.set("name", Value(row.name));
  out.set("interface", Value(row.interface));
  set_text(out, "summary", text(row.summary));
  out.set("revision", Value(static_cast<std::int64_t>(row.revision)));
  set_text(out, "doc", text(row.doc));
  set_text(out, "citation", text(row.citation));
  out.set("deterministic", Value(component.deterministic()));
  out.set("needs_cuda", Value(component.has(SAFFRON_COMPONENT_NEEDS_CUDA)));
  out.set("graph_safe", Value(component.has(SAFFRON_COMPONENT_GRAPH_SAFE)));
  out.set("params", describe_all(params_of(component)));
  return out;
}

// How a recipe or a command writes one of this kind.
void set_place(Value& out, std::string_view kind) {
  set_text(out, "table", table_header(kind));
  set_text(out, "command", std::string(command_of(kind)));
}

Value describe_file(const PluginFile& file) {
  Value out = Value::table();
  out.set("id", Value(file.id));
  out.set("version", Value(file.version));
  out.set("file", Value(file.path.string()));
  out.set("tag", tag_value(file.tag));
  try {
    check_tag(file);
  } catch (const Error& error) {
    out.set("problem", Value(error.message()));
  }
  Value components = Value::list();
  for (const auto& component : file.components) {
    Value row = Value::table();
    row.set("kind", Value(component.kind));
    row.set("name", Value(component.name));
    row.set("interface", Value(component.interface));
    components.push(std::move(row));
  }
  out.set("components", std::move(components));
  return out;
}

}  // namespace

Value describe(const ParamInfo& param) {
  Value out = Value::table();
  out.set("name", Value(param.name));
  out.set("type", Value(type_text(param)));
  if (param.default_value) out.set("default", *param.default_value);
  set_text(out, "range", param.range);
  if (!param.choices.empty()) {
    Value choices = Value::list();
    for (const std::string& word : param.choices) choices.push(Value(word));
    out.set("choices", std::move(choices));
  }
  set_text(out, "unit", param.unit);
  set_text(out, "kind", param.component_kind);
  set_text(out, "since", param.since);
  set_text(out, "formerly", param.alias);
  if (param.required) out.set("required", Value(true));
  if (param.optional) out.set("optional", Value(true));
  if (param.hashed) out.set("content_is_input", Value(true));
  if (param.unhashed) out.set("cannot_change_results", Value(true));
  if (param.hidden) out.set("hidden", Value(true));
  set_text(out, "doc", param.doc);
  if (!param.fields.empty()) out.set("fields", describe_all(param.fields));
  return out;
}

ParamInfo param_of(const Value& description) {
  const auto word = [&](const char* key) {
    const Value* value = description.find(key);
    return value == nullptr ? std::string() : value->as_string();
  };
  const auto flag = [&](const char* key) { return description.find(key) != nullptr; };
  ParamInfo out;
  out.name = word("name");
  out.doc = word("doc");
  out.unit = word("unit");
  out.range = word("range");
  out.since = word("since");
  out.alias = word("formerly");
  out.component_kind = word("kind");
  read_type(word("type"), out);
  out.required = flag("required");
  out.optional = flag("optional");
  out.hashed = flag("content_is_input");
  out.unhashed = flag("cannot_change_results");
  out.hidden = flag("hidden");
  if (const Value* value = description.find("default")) out.default_value = *value;
  if (const Value* choices = description.find("choices")) {
    for (const Value& choice : choices->as_list()) out.choices.push_back(choice.as_string());
  }
  if (const Value* fields = description.find("fields")) {
    for (const Value& field : fields->as_list()) out.fields.push_back(param_of(field));
  }
  return out;
}

Value describe(const Component& component) {
  const LoadedPlugin& plugin = component.plugin();
  Value out = describe_row(component);
  out.set("use", Value(component.name()));
  out.set("plugin", Value(plugin.file.id));
  out.set("version", Value(plugin.file.version));
  out.set("keys", describe_all(keys_beside(component.kind())));
  set_place(out, component.kind());
  out.set("file", Value(plugin.file.path.string()));
  out.set("sha256", Value(plugin.digest));
  out.set("tag", tag_value(plugin.file.tag));
  return out;
}

Value describe(const Kind& kind) {
  Value out = Value::table();
  out.set("kind", Value(kind.name));
  out.set("interface", Value(kind.interface));
  out.set("header", Value(header_of(kind.name)));
  out.set("summary", Value(kind.meaning));
  set_place(out, kind.name);
  out.set("keys", describe_all(keys_beside(kind.name)));
  Value providers = Value::list();
  for (const std::string& section : providers_of(kind.name)) providers.push(Value(section));
  out.set("provided_by", std::move(providers));
  return out;
}

Value describe_recipe() {
  Value out = Value::table();
  out.set("section", Value("recipe"));
  out.set("summary", Value("what stands above the first table"));
  out.set("keys", describe_all(setting_params()));
  return out;
}

Value describe_train() {
  const Kind& kind = *kind_of_section("train");
  Value out = Value::table();
  out.set("section", Value(kind.section));
  out.set("summary", Value(kind.meaning));
  out.set("table", Value(cat('[', kind.section, ".NAME]")));
  out.set("keys", describe_all(own_params(kind.section)));
  out.set("regularizer_table", Value(table_header("regularizer")));
  out.set("regularizer_keys", describe_all(own_params("regularizer")));
  return out;
}

Value describe(const LoadedPlugin& plugin) {
  Value out = describe_file(plugin.file);
  out.set("sha256", Value(plugin.digest));
  Value components = Value::list();
  for (const saffron_component& row : components_of(*plugin.descriptor)) {
    components.push(describe_row(Component(plugin, row)));
  }
  out.set("components", std::move(components));
  return out;
}

Value describe(const Catalog& catalog) {
  Value plugins = Value::list(), rejected = Value::list(), places = Value::list(),
        notes = Value::list();
  for (const PluginFile* file : catalog.plugins()) plugins.push(describe_file(*file));
  for (const Rejected& file : catalog.scan().rejected) {
    Value row = Value::table();
    row.set("file", Value(file.path.string()));
    row.set("problem", Value(file.error.message()));
    rejected.push(std::move(row));
  }
  for (const SearchPlace& place : catalog.scan().places) {
    Value row = Value::table();
    row.set("path", Value(place.path.string()));
    row.set("reason", Value(place.reason));
    std::error_code ignored;
    row.set("exists", Value(std::filesystem::exists(place.path, ignored)));
    places.push(std::move(row));
  }
  for (const std::string& note : catalog.notes()) notes.push(Value(note));
  Value out = Value::table();
  out.set("plugins", std::move(plugins));
  out.set("rejected", std::move(rejected));
  out.set("places", std::move(places));
  out.set("notes", std::move(notes));
  return out;
}

}  // namespace saffron::host
