#include "framework/recipe/node_decode.h"

#include "framework/recipe/kinds.h"

#include <iterator>

namespace saffron::host {
namespace {

using References = std::vector<Decoded::Reference>;

void append(References& to, References from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

template <class Keys>
Value decode_with(NodeSpec& node, ComponentDecoder& decoder) {
  const std::vector<std::string>& own = own_key_names(node.section);
  Keys keys;
  Value resolved = std::move(decoder.own_keys(node.table, own, keys, node.path()).resolved);
  node.keys = std::move(keys);
  const Kind& kind = *kind_of_section(node.section);
  node.component = decoder.component(kind.name, node.table, own, node.path());
  node.references = node.component.references;
  join_tables(node.table, node.component, resolved, node.section, node.resolved, node.identity);
  return resolved;
}

}  // namespace

References references_in(const Value* names, const std::string& kind, const std::string& path) {
  References out;
  if (names == nullptr) return out;
  if (names->is_string()) {
    out.push_back({kind, names->as_string(), path, names->origin(), false});
    return out;
  }
  std::size_t index = 0;
  for (const Value& name : names->as_list()) {
    out.push_back({kind, name.as_string(), cat(path, '[', index++, ']'), name.origin(), true});
  }
  return out;
}

void join_tables(const Value& table, const ComponentUse& component, const Value& own,
                 std::string_view section, Value& resolved, Value& identity) {
  resolved = Value::table().with_origin(table.origin());
  identity = Value::table();
  if (const Value* use = table.find("use")) {
    resolved.set("use", *use);
    identity.set("use", Value(component.id));
  }
  const auto add = [](Value& to, const Value& from) {
    for (const Value::Entry& entry : from.as_table()) {
      to.set(entry.key, entry.value, entry.key_origin);
    }
  };
  add(resolved, own);
  add(resolved, component.resolved);
  add(identity, without_unhashed(own, own_params(section)));
  add(identity, component.identity);
}

DecodedSae decode_sae(const Value& table, const std::string& path, ComponentDecoder& decoder) {
  DecodedSae out;
  const std::vector<std::string>& names = own_key_names("sae");
  const Decoded own = decoder.own_keys(table, names, out.keys, path);
  if (out.keys.predicts.empty()) out.keys.predicts = out.keys.reads;
  out.component = decoder.component("sae", table, names, path);
  join_tables(table, out.component, own.resolved, "sae", out.resolved, out.identity);
  for (const char* key : {"reads", "predicts"}) {
    const Value* streams = table.find(key);
    if (!own.ok() || streams == nullptr) continue;
    References sources = references_in(streams, "source", cat(path, '.', key));
    for (Decoded::Reference& reference : sources) {
      const StreamName name = parse_stream(reference.node);
      const bool colon = reference.node.find(':') != std::string::npos;
      if (name.source.empty() || (colon && name.stream.empty())) {
        decoder.problems().error(reference.origin, reference.path,
                                 cat("\"", reference.node, "\" does not name a stream"),
                                 "write \"source:stream\", or \"source\" if it has only one");
      }
      reference.node = name.source;
    }
    std::erase_if(sources, [](const Decoded::Reference& r) { return r.node.empty(); });
    append(out.references, std::move(sources));
  }
  append(out.references, out.component.references);
  return out;
}

void decode_node(NodeSpec& node, ComponentDecoder& decoder) {
  if (node.section == "source") {
    decode_with<SourceKeys>(node, decoder);
  } else if (node.section == "score") {
    decode_with<ScoreKeys>(node, decoder);
  } else if (node.section == "compare") {
    const Value own = decode_with<CompareKeys>(node, decoder);
    append(node.references, references_in(own.find("world"), "world", node.path() + ".world"));
  } else {
    decode_with<PlainKeys>(node, decoder);
  }
}

}  // namespace saffron::host
