#include "framework/recipe/node_decode.h"
#include "framework/recipe/train_decode.h"
#include "framework/recipe/vary.h"

#include <algorithm>
#include <cstddef>

// The values that stand where a grid puts others. Members are decoded without them.

namespace saffron::host {
namespace {

// A table with a key that a grid varies: an SAE's, or a regularizer's of the train node.
struct Varied {
  const NodeSpec& train;
  const VaryAxis& axis;
  const std::string& name;  // of the SAE or the regularizer
  const Value& table;       // as written
  const Value& value;       // at the axis' key
  std::string path;         // of the table

  [[nodiscard]] std::string place() const {
    std::string out = path;
    for (const std::string& part : axis.path) out += '.' + part;
    return out;
  }
};

template <class Visit>
void visit_saes(const Recipe& recipe, const NodeSpec& train, const VaryAxis& axis, Visit visit) {
  for (const std::string& name : train.train().saes) {
    const NodeSpec* sae = recipe.find("sae", name);
    if (sae == nullptr || (axis.target == VaryAxis::Target::sae && axis.node != name)) continue;
    const Value* value = replaced_by(axis, sae->table);
    if (value != nullptr) visit(Varied{train, axis, name, sae->table, *value, sae->path()});
  }
}

template <class Visit>
void visit_varied(const Recipe& recipe, Visit visit) {
  for (const NodeSpec* train : recipe.section("train")) {
    for (const VaryAxis& axis : train->train().vary) {
      if (axis.target != VaryAxis::Target::regularizer) {
        visit_saes(recipe, *train, axis, visit);
        continue;
      }
      const Value& table = train->table.at("regularizer").at(axis.node);
      const Value* value = table.is_table() ? replaced_by(axis, table) : nullptr;
      const std::string path = cat(train->path(), ".regularizer.", axis.node);
      if (value != nullptr) visit(Varied{*train, axis, axis.node, table, *value, path});
    }
  }
}

// How late a layer is: what a file extends, the file, then each `--set`.
std::ptrdiff_t layer_of(const Origin& origin, const SourceTexts& sources) {
  const auto rank = static_cast<std::ptrdiff_t>(sources.rank(origin.source));
  return origin.line > 0 ? -rank : rank;
}

std::string shown(const std::vector<Value>& values) {
  constexpr std::size_t kMost = 6;
  std::string out;
  for (std::size_t i = 0; i < std::min(values.size(), kMost); ++i) {
    out += (i > 0 ? ", " : "") + to_toml(values[i]);
  }
  return values.size() > kMost ? out + ", ..." : out;
}

std::string way_out(const Varied& varied) {
  const std::string train = varied.train.path();
  const std::string grid =
      cat("{ ", to_toml(Value(varied.axis.key)), " = [", to_toml(varied.value), "] }");
  if (varied.value.origin().line > 0) {
    return cat("under [", train, "], vary = ", grid, " changes it, vary = {} leaves the grid out");
  }
  return cat("--set '", train, ".vary=", grid, "' changes it, --set '", train,
             ".vary={}' leaves the grid out");
}

}  // namespace

void check_replaced(Recipe& recipe, ComponentDecoder& decoder) {
  visit_varied(recipe, [&](const Varied& varied) {
    Problems found;
    ComponentDecoder local = decoder.reporting_to(found);
    if (varied.axis.target == VaryAxis::Target::regularizer) {
      static_cast<void>(decode_regularizer(varied.name, varied.table, varied.path,
                                           varied.train.train().saes, local));
    } else {
      static_cast<void>(decode_sae(varied.table, varied.path, local));
    }
    const std::string place = varied.place();
    for (const Problem& problem : found.list()) {
      const bool here = problem.path == place || problem.path.starts_with(place + '.') ||
                        problem.path.starts_with(place + '[');
      if (here) decoder.problems().add(problem);
    }
  });
}

void warn_replaced(Recipe& recipe, const SourceTexts& sources) {
  if (!recipe.problems.ok()) return;
  visit_varied(recipe, [&](const Varied& varied) {
    if (varied.axis.target == VaryAxis::Target::seed) return;  // it adds to the SAE's own
    const Origin& origin = varied.value.origin();
    if (layer_of(origin, sources) <= layer_of(varied.axis.origin, sources)) return;
    recipe.problems.warning(origin, varied.place(),
                            cat("value ", to_toml(varied.value), " has no effect: ",
                                varied.train.path(), ".vary gives ", shown(varied.axis.values)),
                            way_out(varied));
  });
}

}  // namespace saffron::host
