#include "framework/recipe/train_decode.h"

#include "framework/recipe/node_decode.h"
#include "framework/recipe/vary.h"

#include <algorithm>
#include <iterator>

namespace saffron::host {
namespace {

constexpr const char* kDefaultObjective = "mse";

std::vector<std::string> schema_keys() {
  std::vector<std::string> out;
  for (const ParamInfo& info : TrainKeys::schema().params()) out.push_back(info.name);
  return out;
}

// A string stands for { use = it }: no node provides an objective.
Value objective_table(const Value& table) {
  const Value* given = table.find("objective");
  if (given != nullptr && given->is_table()) return *given;
  const Origin origin = given != nullptr ? given->origin() : Origin{"default"};
  Value use = given != nullptr ? *given : Value(kDefaultObjective).with_origin(origin);
  Value out = Value::table().with_origin(origin);
  out.set("use", std::move(use), origin);
  return out;
}

void decode_objective(NodeSpec& node, TrainSpec& spec, ComponentDecoder& decoder) {
  const std::string path = node.path() + ".objective";
  const Value table = objective_table(node.table);
  spec.objective = decoder.component("objective", table, {}, path);
  Value resolved, identity;
  join_tables(table, spec.objective, Value::table(), "objective", resolved, identity);
  node.resolved.set("objective", std::move(resolved));
  node.identity.set("objective", std::move(identity));
}

// The regularizers with each axis at its first value; as printed, with what was written.
void decode_regularizers(NodeSpec& node, TrainSpec& spec, ComponentDecoder& decoder) {
  const Value* tables = node.table.find("regularizer");
  if (tables == nullptr) return;
  const std::string path = node.path() + ".regularizer";
  if (!tables->is_table()) {
    decoder.problems().error(tables->origin(), path,
                             cat("expected table, got ", tables->type_name()),
                             cat("write a table [", path, ".NAME] for each"));
    return;
  }
  Value resolved = Value::table().with_origin(tables->origin());
  Value identity = Value::table();
  for (const Value::Entry& entry : tables->as_table()) {
    const std::string place = cat(path, '.', entry.key);
    if (!entry.value.is_table()) {
      decoder.problems().error(entry.value.origin(), place,
                               cat("expected table, got ", entry.value.type_name()),
                               cat("a regularizer has a name of its own: [", path, ".NAME]"));
      break;
    }
    std::vector<const VaryAxis*> axes;
    for (const VaryAxis& axis : spec.vary) {
      const bool mine = axis.target == VaryAxis::Target::regularizer && axis.node == entry.key;
      if (mine) axes.push_back(&axis);
    }
    Problems found;
    ComponentDecoder local = decoder.reporting_to(found);
    const Value table = at_point(entry.value, axes, {});
    RegularizerSpec regularizer = decode_regularizer(entry.key, table, place, spec.saes, local);
    add_point_problems(found, node.path(), axes, decoder.problems());
    Value shown = regularizer.resolved, hashed = regularizer.identity;
    restore_written(shown, entry.value, axes);
    erase_varied(hashed, axes);
    resolved.set(entry.key, std::move(shown), entry.key_origin);
    identity.set(entry.key, std::move(hashed));
    spec.regularizers.push_back(std::move(regularizer));
  }
  node.resolved.set("regularizer", std::move(resolved));
  node.identity.set("regularizer", std::move(identity));
}

void check_over(RegularizerSpec& out, const Value& resolved, const Value& table,
                const std::string& path, const std::vector<std::string>& saes, Problems& problems) {
  const Value* over = resolved.find("over");
  if (over == nullptr || saes.empty()) return;
  if (over->as_list().empty()) {
    if (saes.size() == 1) {
      out.keys.over = saes;
    } else {
      problems.error(table.origin(), path + ".over", "missing key",
                     cat("say which of the SAEs it is over: ", listed(saes)));
    }
    return;
  }
  const Value::List& names = over->as_list();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string place = cat(path, ".over[", i, ']');
    const std::string& word = names[i].as_string();
    if (std::find(saes.begin(), saes.end(), word) == saes.end()) {
      const std::string near = did_you_mean(word, saes);
      problems.error(names[i].origin(), place, cat("'", word, "' is not an SAE of this train node"),
                     near.empty() ? cat("it trains ", listed(saes)) : near);
    } else if (std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(i), names[i]) !=
               names.begin() + static_cast<std::ptrdiff_t>(i)) {
      problems.error(names[i].origin(), place, cat("'", word, "' is named twice"));
    }
  }
}

}  // namespace

RegularizerSpec decode_regularizer(const std::string& name, const Value& table,
                                   const std::string& path, const std::vector<std::string>& saes,
                                   ComponentDecoder& decoder) {
  RegularizerSpec out;
  out.name = name;
  const std::vector<std::string>& own = own_key_names("regularizer");
  Decoded decoded = decoder.own_keys(table, own, out.keys, path);
  check_over(out, decoded.resolved, table, path, saes, decoder.problems());
  if (decoded.ok() && decoded.resolved.find("over")->as_list().empty()) {
    Value over = Value::list().with_origin({"default"});
    for (const std::string& sae : out.keys.over) over.push(Value(sae));
    decoded.resolved.set("over", std::move(over));
  }
  out.component = decoder.component("regularizer", table, own, path);
  join_tables(table, out.component, decoded.resolved, "regularizer", out.resolved, out.identity);
  return out;
}

void decode_train(NodeSpec& node, ComponentDecoder& decoder) {
  const std::vector<std::string>& own = own_key_names("train");
  TrainSpec spec;
  decoder.only(node.table, own, node.path());
  Decoded decoded =
      decoder.own_keys(node.table, schema_keys(), static_cast<TrainKeys&>(spec), node.path());
  const ComponentUse none;
  join_tables(node.table, none, decoded.resolved, "train", node.resolved, node.identity);
  node.references = references_in(decoded.resolved.find("saes"), "sae", node.path() + ".saes");
  spec.saes.clear();  // known even when another key is wrong
  for (const Decoded::Reference& reference : node.references) spec.saes.push_back(reference.node);
  for (const Decoded::Reference& reference : node.references) {
    if (reference.node.find('[') == std::string::npos) continue;
    decoder.problems().error(reference.origin, reference.path,
                             cat("'", reference.node, "' is a member of a grid, not an SAE"),
                             "a train node lists SAEs; `vary` makes their members");
  }
  if (const Value* vary = node.table.find("vary")) {
    spec.vary = parse_axes(*vary, node.table, spec.saes, node.path(), decoder.problems());
    node.resolved.set("vary", *vary);
    node.identity.set("vary", *vary);
  }
  decode_objective(node, spec, decoder);
  decode_regularizers(node, spec, decoder);
  const auto refer = [&](const ComponentUse& component) {
    std::copy(component.references.begin(), component.references.end(),
              std::back_inserter(node.references));
  };
  refer(spec.objective);
  for (const RegularizerSpec& regularizer : spec.regularizers) refer(regularizer.component);
  node.keys = std::move(spec);
}

}  // namespace saffron::host
