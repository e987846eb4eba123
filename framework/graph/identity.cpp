#include "framework/graph/identity.h"

#include "framework/loader/component.h"
#include "framework/loader/own_libraries.h"
#include "framework/recipe/kinds.h"

#include <saffron/build_tag.h>
#include <saffron/io.h>

#include <algorithm>

namespace saffron::host {
Identity::Identity(const Recipe& recipe, const Catalog& catalog, Digests& digests,
                   bool trust_revisions)
    : recipe_(recipe), catalog_(catalog), digests_(digests), trust_revisions_(trust_revisions) {}

Value Identity::common() {
  Value out = Value::table();
  out.set("saffron", SAFFRON_SDK_VERSION);
  if (!trust_revisions_) {
    const Value own = libraries();
    for (const Value::Entry& library : own.as_table()) out.set(library.key, library.value);
  }
  out.set("torch", SAFFRON_TORCH_VERSION);
  out.set("seed", recipe_.settings.seed);
  out.set("dtype", recipe_.settings.dtype);
  return out;
}

Value Identity::files(const ComponentUse& use) {
  Value out = Value::table();
  for (const std::string& pattern : use.hashed_files) {
    for (const std::filesystem::path& file : files_of(pattern)) {
      out.set(file.string(), digests_.of(file));
    }
  }
  return out;
}

void Identity::add_version(Value& out, const std::string& kind, const std::string& id) const {
  const Component loaded = catalog_.load(kind, id);
  if (trust_revisions_) {
    out.set("revision", static_cast<std::int64_t>(loaded.revision()));
  } else {
    out.set("plugin", loaded.plugin().digest);
  }
}

Value Identity::component(const ComponentUse& use) {
  Value out = Value::table();
  out.set("component", use.kind + " " + use.id);
  add_version(out, use.kind, use.id);
  for (const ComponentUse::Nested& nested : use.nested) {
    Value inner = Value::table();
    add_version(inner, nested.kind, nested.id);
    out.set(nested.kind + " " + nested.id, std::move(inner));
  }
  out.set("parameters", use.identity);
  if (Value inputs = files(use); !inputs.as_table().empty()) out.set("input", std::move(inputs));
  return out;
}

Value Identity::upstream(const std::vector<Decoded::Reference>& references,
                         const TrainGroup* within) {
  const auto is_within = [&](const Member& member) {
    return within != nullptr &&
           std::any_of(within->members.begin(), within->members.end(), [&](std::size_t index) {
             return recipe_.members[index].name == member.name;
           });
  };
  Value out = Value::table();
  for (const Decoded::Reference& reference : references) {
    if (reference.kind == "sae") {
      for (const Member* member : recipe_.expand(reference.node)) {
        if (is_within(*member)) continue;
        out.set("sae " + member->name, sae_member(member->name));
      }
      continue;
    }
    const NodeSpec* spec = recipe_.find(section_of(reference.kind), reference.node);
    if (spec == nullptr) {  // provided by a node of another kind: a model's tokenizer
      for (const std::string& section : providers_of(reference.kind)) {
        if (spec == nullptr) spec = recipe_.find(section, reference.node);
      }
    }
    if (spec != nullptr) out.set(spec->path(), node(*spec));
  }
  return out;
}

Value Identity::node(const NodeSpec& spec) {
  if (const auto found = nodes_.find(spec.path()); found != nodes_.end()) return found->second;
  Value out = common();
  out.set("node", component(spec.component));
  out.set("node_seed", spec.seed());
  if (spec.section == "source") out.set("held_out", spec.source().held_out);
  out.set("upstream", upstream(spec.references));
  nodes_.emplace(spec.path(), out);
  return out;
}

Value Identity::train_group(const NodeSpec& train, const TrainGroup& group) {
  const TrainSpec& spec = train.train();
  Value out = common();
  out.set("source." + spec.source, node(*recipe_.find("source", spec.source)));
  Value saes = Value::table();
  for (std::size_t index : group.members) {
    const Member& member = recipe_.members[index];
    Value entry = component(member.component);
    entry.set("own", member.identity);
    entry.set("upstream", upstream(member.component.references, &group));
    saes.set(member.name, std::move(entry));
  }
  out.set("saes", std::move(saes));
  Value regularizers = Value::table();
  for (const RegularizerSpec& regularizer : group.regularizers) {
    Value entry = component(regularizer.component);
    entry.set("own", regularizer.identity);
    entry.set("upstream", upstream(regularizer.component.references, &group));
    regularizers.set(regularizer.name, std::move(entry));
  }
  out.set("regularizers", std::move(regularizers));
  Value objective = component(spec.objective);
  objective.set("upstream", upstream(spec.objective.references, &group));
  out.set("objective", std::move(objective));
  Value how = train.identity;
  for (const char* key : {"saes", "vary", "regularizer", "objective"}) how.erase(key);
  out.set("train", std::move(how));
  return out;
}

Value Identity::sae_member(const std::string& name) {
  for (const Member& member : recipe_.members) {
    if (member.name != name) continue;
    const NodeSpec* train = recipe_.find("train", member.train);
    for (const TrainGroup& group : train->train().groups) {
      for (std::size_t index : group.members) {
        if (recipe_.members[index].name != name) continue;
        Value out = Value::table();
        out.set("train", train_group(*train, group));
        out.set("member", name);
        return out;
      }
    }
  }
  throw Error(cat("there is no trained SAE '", name, "'"));
}

Value Identity::score(const NodeSpec& spec) {
  Value out = common();
  out.set("scorer", component(spec.component));
  const ScoreKeys& keys = spec.score();
  out.set("split", keys.split == SplitName::train ? "train" : "held_out");
  out.set("rows", keys.rows ? Value(*keys.rows) : Value("all"));
  out.set("batch", keys.batch);
  out.set("node_seed", keys.seed);
  out.set("upstream", upstream(spec.references));
  return out;
}

Value Identity::compare(const NodeSpec& spec) {
  Value out = common();
  out.set("comparator", component(spec.component));
  out.set("node_seed", spec.compare().seed);
  out.set("world." + spec.compare().world, node(*recipe_.find("world", spec.compare().world)));
  return out;
}

void Identity::each_use(const std::function<void(const ComponentUse&)>& visit) const {
  for (const NodeSpec& node : recipe_.nodes) {
    if (node.section != "train") {
      visit(node.component);
      continue;
    }
    visit(node.train().objective);
    for (const TrainGroup& group : node.train().groups) {
      for (const RegularizerSpec& regularizer : group.regularizers) visit(regularizer.component);
    }
  }
  for (const Member& member : recipe_.members) visit(member.component);
}

Value Identity::inputs() {
  Value out = Value::table();
  each_use([&](const ComponentUse& use) {
    const Value found = files(use);
    for (const Value::Entry& entry : found.as_table()) out.set(entry.key, entry.value);
  });
  return out;
}

Value Identity::libraries() {
  Value out = Value::table();
  for (const std::filesystem::path& library : own_libraries()) {
    out.set(library.filename().string(), digests_.of(library));
  }
  return out;
}

Value Identity::plugins() {
  Value out = Value::table();
  const auto add = [&](const std::string& kind, const std::string& id) {
    const Component component = catalog_.load(kind, id);
    const LoadedPlugin& plugin = component.plugin();
    if (out.find(plugin.file.id) == nullptr) {
      Value entry = Value::table();
      entry.set("file", plugin.file.path.string());
      entry.set("version", plugin.file.version);
      entry.set("sha256", plugin.digest);
      entry.set("build", plugin.descriptor->build_tag);
      entry.set("revisions", Value::table());
      out.set(plugin.file.id, std::move(entry));
    }
    out.find(plugin.file.id)
        ->find("revisions")
        ->set(cat(kind, "/", id.substr(id.rfind(':') + 1)),
              static_cast<std::int64_t>(component.revision()));
  };
  each_use([&](const ComponentUse& use) {
    if (use.id.empty()) return;
    add(use.kind, use.id);
    for (const ComponentUse::Nested& nested : use.nested) add(nested.kind, nested.id);
  });
  return out;
}

}  // namespace saffron::host
