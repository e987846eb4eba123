#include "framework/recipe/node_decode.h"
#include "framework/recipe/train_decode.h"
#include "framework/recipe/vary.h"

#include <algorithm>
#include <map>
#include <numeric>

// From axes to members: which SAEs move together, through which points.

namespace saffron::host {
namespace {

using Axes = std::vector<const VaryAxis*>;
using Names = std::vector<std::string>;

constexpr std::string_view kRegularizer = "regularizer.";

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The SAEs of a train node in the sets that its regularizers tie together, by union and find.
std::vector<Names> coupled(const Names& saes, const std::vector<RegularizerSpec>& regularizers) {
  std::vector<std::size_t> root(saes.size());
  std::iota(root.begin(), root.end(), std::size_t{0});
  const auto find = [&](std::size_t i) {
    while (root[i] != i) i = root[i];
    return i;
  };
  for (const RegularizerSpec& regularizer : regularizers) {
    std::size_t first = saes.size();
    for (std::size_t i = 0; i < saes.size(); ++i) {
      if (!contains(regularizer.keys.over, saes[i])) continue;
      if (first == saes.size()) first = find(i);
      root[find(i)] = first;
    }
  }
  std::map<std::size_t, Names> sets;
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < saes.size(); ++i) {
    if (sets[find(i)].empty()) order.push_back(find(i));
    sets[find(i)].push_back(saes[i]);
  }
  std::vector<Names> out;
  for (const std::size_t i : order) out.push_back(std::move(sets[i]));
  return out;
}

class Expander {
 public:
  Expander(Recipe& recipe, ComponentDecoder& decoder) : recipe_(recipe), decoder_(decoder) {}

  void run() {
    for (NodeSpec& node : recipe_.nodes) {
      if (node.section == "train") expand_train(node);
    }
    for (NodeSpec& node : recipe_.nodes) {
      if (node.section != "sae" || contains(expanded_, node.name)) continue;
      const std::size_t index = add_member(node, "", {}, {}, {});
      describe(node, {}, {index});
    }
  }

 private:
  // The node's SAEs that exist and that no earlier train node has.
  Names trainable(const NodeSpec& train) {
    Names out;
    for (const Decoded::Reference& reference : train.references) {
      if (reference.path.compare(0, train.path().size() + 5, train.path() + ".saes") != 0) continue;
      const std::string& name = reference.node;
      if (recipe_.find("sae", name) == nullptr || contains(out, name)) continue;
      if (contains(expanded_, name)) {
        const NodeSpec* first = recipe_.trainer_of(name);
        decoder_.problems().error(
            reference.origin, reference.path,
            cat("'", name, "' is trained by ", first->path(), " already"),
            "an SAE is trained by one node; declare a second SAE for this one");
        continue;
      }
      out.push_back(name);
    }
    return out;
  }

  void expand_train(NodeSpec& node) {
    TrainSpec spec = std::get<TrainSpec>(node.keys);
    for (const Names& saes : coupled(trainable(node), spec.regularizers)) {
      expand_group(node, spec, saes);
      expanded_.insert(expanded_.end(), saes.begin(), saes.end());
    }
    spec.source = source_of(node, spec);
    node.keys = std::move(spec);
  }

  static bool concerns(const VaryAxis& axis, const Names& saes, const TrainSpec& spec) {
    if (axis.target == VaryAxis::Target::seed) return true;
    if (axis.target == VaryAxis::Target::sae) return contains(saes, axis.node);
    for (const RegularizerSpec& regularizer : spec.regularizers) {
      const bool over = std::any_of(saes.begin(), saes.end(), [&](const std::string& sae) {
        return contains(regularizer.keys.over, sae);
      });
      if (regularizer.name == axis.node && over) return true;
    }
    return false;
  }

  void expand_group(NodeSpec& train, TrainSpec& spec, const Names& saes) {
    Axes axes;
    std::size_t points = 1;
    for (const VaryAxis& axis : spec.vary) {
      if (!concerns(axis, saes, spec)) continue;
      axes.push_back(&axis);
      points *= axis.values.size();
      if (points <= kLargestGrid) continue;
      decoder_.problems().error(axis.origin, train.path() + ".vary",
                                cat("the grid has more than ", kLargestGrid, " members"),
                                "split it over several train nodes or recipes");
      points = 1;
      axes.clear();
      break;
    }
    std::map<std::string, std::vector<std::size_t>> members;
    for (std::size_t point = 0; point < points; ++point) {
      std::vector<std::size_t> at(axes.size());  // the last axis moves fastest
      std::size_t rest = point;
      for (std::size_t i = axes.size(); i-- > 0; rest /= axes[i]->values.size()) {
        at[i] = rest % axes[i]->values.size();
      }
      TrainGroup group;
      for (std::size_t i = 0; i < axes.size(); ++i) {
        group.coordinates.emplace_back(axes[i]->key, coordinate_text(axes[i]->values[at[i]]));
      }
      for (const std::string& sae : saes) {
        const NodeSpec& node = *recipe_.find("sae", sae);
        group.members.push_back(add_member(node, train.name, axes, at, group.coordinates));
        members[sae].push_back(group.members.back());
      }
      group.regularizers = regularizers_at(train, spec, saes, axes, at);
      spec.groups.push_back(std::move(group));
    }
    for (NodeSpec& node : recipe_.nodes) {
      if (node.section == "sae" && contains(saes, node.name)) {
        describe(node, axes, members[node.name]);
      }
    }
  }

  // Those axes that set keys of this SAE.
  static std::pair<Axes, std::vector<std::size_t>> own_axes(const std::string& sae,
                                                            const Axes& axes,
                                                            const std::vector<std::size_t>& at) {
    Axes mine;
    std::vector<std::size_t> values;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const bool own = axes[i]->target == VaryAxis::Target::sae && axes[i]->node == sae;
      if (!own && axes[i]->target != VaryAxis::Target::seed) continue;
      mine.push_back(axes[i]);
      if (!at.empty()) values.push_back(at[i]);
    }
    return {mine, values};
  }

  static Member named(const std::string& sae, const std::string& train, const Axes& axes,
                      const Coordinates& coordinates) {
    Member member;
    member.sae = sae;
    member.train = train;
    for (std::size_t i = 0; i < axes.size(); ++i) {
      std::string key = axes[i]->key;
      const bool own = axes[i]->target == VaryAxis::Target::sae && axes[i]->node == sae;
      if (own) key.erase(0, sae.size() + 1);
      if (axes[i]->target == VaryAxis::Target::regularizer) key.erase(0, kRegularizer.size());
      member.coordinates.emplace_back(std::move(key), coordinates[i].second);
    }
    for (const auto& [key, value] : member.coordinates) {
      member.name += cat(member.name.empty() ? "[" : ",", key, '=', value);
    }
    if (!member.name.empty()) member.name += ']';
    member.name.insert(0, sae);
    return member;
  }

  // Coupled SAEs with seeds of their own stay different at every point of a `seed` axis.
  static Value with_own_seed(Value table, const Value& written, const Axes& axes) {
    const bool varied = std::any_of(axes.begin(), axes.end(), [](const VaryAxis* axis) {
      return axis->target == VaryAxis::Target::seed;
    });
    const Value* own = written.find("seed");
    Value* seed = table.find("seed");
    if (varied && own != nullptr && own->is_int() && seed->is_int()) {
      // Unsigned, as two seeds near 2^63 may meet; a seed is not negative.
      const std::uint64_t sum =
          static_cast<std::uint64_t>(seed->as_int()) + static_cast<std::uint64_t>(own->as_int());
      *seed = Value(static_cast<std::int64_t>(sum & INT64_MAX)).with_origin(seed->origin());
    }
    return table;
  }

  std::size_t add_member(const NodeSpec& node, const std::string& train, const Axes& axes,
                         const std::vector<std::size_t>& at, const Coordinates& coordinates) {
    Member member = named(node.name, train, axes, coordinates);
    const auto [mine, values] = own_axes(node.name, axes, at);
    Problems found, told;
    ComponentDecoder local = decoder_.reporting_to(found);
    const Value table = with_own_seed(at_point(node.table, mine, values), node.table, mine);
    DecodedSae decoded = decode_sae(table, node.path(), local);
    for (Problem problem : found.list()) {  // rules across parameters hold for a member, not a key
      if (problem.path == node.path() && !mine.empty()) problem.message += " in " + member.name;
      told.add(std::move(problem));
    }
    add_point_problems(told, cat("train.", train), mine, decoder_.problems());
    member.component = std::move(decoded.component);
    member.keys = std::move(decoded.keys);
    member.resolved = std::move(decoded.resolved);
    member.identity = std::move(decoded.identity);
    recipe_.members.push_back(std::move(member));
    references_.push_back(std::move(decoded.references));
    return recipe_.members.size() - 1;
  }

  std::vector<RegularizerSpec> regularizers_at(const NodeSpec& train, const TrainSpec& spec,
                                               const Names& saes, const Axes& axes,
                                               const std::vector<std::size_t>& at) {
    std::vector<RegularizerSpec> out;
    for (const RegularizerSpec& regularizer : spec.regularizers) {
      if (regularizer.keys.over.empty() || !contains(saes, regularizer.keys.over[0])) continue;
      Axes mine;
      std::vector<std::size_t> values;
      for (std::size_t i = 0; i < axes.size(); ++i) {
        const bool own = axes[i]->target == VaryAxis::Target::regularizer;
        if (!own || axes[i]->node != regularizer.name) continue;
        mine.push_back(axes[i]);
        values.push_back(at[i]);
      }
      const Value& table = train.table.at("regularizer").at(regularizer.name);
      Problems found;
      ComponentDecoder local = decoder_.reporting_to(found);
      out.push_back(decode_regularizer(regularizer.name, at_point(table, mine, values),
                                       cat(train.path(), ".regularizer.", regularizer.name),
                                       spec.saes, local));
      add_point_problems(found, train.path(), mine, decoder_.problems());
    }
    return out;
  }

  // Gives the sae node what its members have in common, and every reference of any of them.
  void describe(NodeSpec& node, const Axes& axes, const std::vector<std::size_t>& members) {
    const Member& first = recipe_.members[members[0]];
    const Axes mine = own_axes(node.name, axes, {}).first;
    node.component = first.component;
    node.keys = first.keys;
    node.resolved = first.resolved;
    node.identity = first.identity;
    restore_written(node.resolved, node.table, mine);
    erase_varied(node.identity, mine);
    for (const std::size_t index : members) {
      for (Decoded::Reference& reference : references_[index]) {
        const bool known = std::any_of(
            node.references.begin(), node.references.end(), [&](const Decoded::Reference& r) {
              return r.kind == reference.kind && r.node == reference.node &&
                     r.path == reference.path;
            });
        if (!known) node.references.push_back(std::move(reference));
      }
    }
  }

  // All SAEs of a train node read one source.
  std::string source_of(const NodeSpec& train, const TrainSpec& spec) {
    std::string source, reader;
    for (const TrainGroup& group : spec.groups) {
      for (const std::size_t index : group.members) {
        for (const Decoded::Reference& reference :
             recipe_.find("sae", recipe_.members[index].sae)->references) {
          if (reference.kind != "source" || !is_stream(reference, recipe_.members[index])) continue;
          if (source.empty()) {
            source = reference.node;
            reader = recipe_.members[index].sae;
          } else if (source != reference.node) {
            decoder_.problems().error(
                reference.origin, reference.path,
                cat("the source is '", reference.node, "', but ", train.path(), " reads '", source,
                    "' (sae.", reader, ')'),
                "a train node reads one source; train this SAE in a node of its own");
          }
        }
      }
    }
    return source;
  }

  static bool is_stream(const Decoded::Reference& reference, const Member& member) {
    const std::string place = cat("sae.", member.sae);
    return reference.path.starts_with(place + ".reads[") ||
           reference.path.starts_with(place + ".predicts[");
  }

  Recipe& recipe_;
  ComponentDecoder& decoder_;
  Names expanded_;                                           // SAEs that have their members
  std::vector<std::vector<Decoded::Reference>> references_;  // of each member
};

}  // namespace

void expand_grids(Recipe& recipe, ComponentDecoder& decoder) { Expander(recipe, decoder).run(); }

}  // namespace saffron::host
