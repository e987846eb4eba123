#include "framework/loader/plugin_catalog.h"

namespace saffron::host {
namespace {

std::string text(const char* string) { return string == nullptr ? std::string() : string; }

std::vector<ParamInfo> infos_of(const AbiRows<saffron_param>& rows) {
  std::vector<ParamInfo> out;
  for (const saffron_param& row : rows) {
    ParamInfo info;
    info.name = text(row.name);
    info.doc = text(row.doc);
    info.unit = text(row.unit);
    info.range = text(row.range);
    info.since = text(row.since);
    info.alias = text(row.alias);
    info.component_kind = text(row.component_kind);
    info.type = static_cast<ParamType>(row.type);
    info.list = (row.flags & SAFFRON_PARAM_LIST) != 0;
    info.optional = (row.flags & SAFFRON_PARAM_OPTIONAL) != 0;
    info.required = (row.flags & SAFFRON_PARAM_REQUIRED) != 0;
    info.hashed = (row.flags & SAFFRON_PARAM_HASHED) != 0;
    info.hidden = (row.flags & SAFFRON_PARAM_HIDDEN) != 0;
    info.unhashed = (row.flags & SAFFRON_PARAM_UNHASHED) != 0;
    for (std::uint32_t i = 0; i < row.choice_count; ++i) info.choices.push_back(row.choices[i]);
    if (row.default_json != nullptr) info.default_value = from_json(row.default_json, "default");
    info.fields = infos_of(fields_of(row));
    out.push_back(std::move(info));
  }
  return out;
}

}  // namespace

std::vector<ParamInfo> params_of(const Component& component) {
  return infos_of(params_of(component.row()));
}

std::vector<std::string> PluginCatalog::resolve(std::string_view kind, std::string_view use) const {
  std::vector<std::string> out;
  for (const Catalog::Entry& entry : catalog_.matches(kind, use)) {
    out.push_back(cat(entry.file->id, "::", entry.component->name));
  }
  return out;
}

std::vector<std::string> PluginCatalog::names(std::string_view kind) const {
  std::vector<std::string> out;
  for (const Catalog::Entry& entry : catalog_.list(kind)) out.push_back(entry.component->name);
  return out;
}

std::vector<std::string> PluginCatalog::plugin_ids() const {
  std::vector<std::string> out;
  for (const PluginFile* file : catalog_.plugins()) out.push_back(file->id);
  return out;
}

std::vector<ParamInfo> PluginCatalog::params(std::string_view kind, const std::string& id) {
  return params_of(catalog_.load(kind, id));
}

void PluginCatalog::decode(std::string_view kind, const std::string& id, const Value& config,
                           Decoded& out) {
  catalog_.load(kind, id).decode(config, out);
}

}  // namespace saffron::host
