#include "framework/recipe/kinds.h"
#include "framework/recipe/node_decode.h"
#include "framework/recipe/recipe.h"
#include "framework/recipe/references.h"
#include "framework/recipe/settings.h"
#include "framework/recipe/train_decode.h"
#include "framework/recipe/vary.h"

#include <algorithm>
#include <tuple>

// From merged layers to a Recipe: settings, then nodes, then grids, then references.

namespace saffron::host {
namespace {

// A catalogue without components: enough to read the settings.
class NoComponents final : public ComponentCatalog {
 public:
  std::vector<std::string> resolve(std::string_view, std::string_view) const override { return {}; }
  std::vector<std::string> names(std::string_view) const override { return {}; }
  std::vector<std::string> plugin_ids() const override { return {}; }
  std::vector<ParamInfo> params(std::string_view, const std::string&) override { return {}; }
  void decode(std::string_view, const std::string&, const Value&, Decoded&) override {}
};

Value settings_of(const Value& root) {
  Value out = Value::table().with_origin(root.origin());
  for (const Value::Entry& entry : root.as_table()) {
    if (kind_of_section(entry.key) == nullptr) out.set(entry.key, entry.value, entry.key_origin);
  }
  return out;
}

// A name like [scorer.x] for [score.x] is not near it by spelling.
void check_section_words(const Value& root, Problems& problems) {
  for (const Value::Entry& entry : root.as_table()) {
    const std::string_view section = section_of(entry.key);
    if (section.empty() || entry.key == section) continue;
    problems.error(entry.key_origin, entry.key, "unknown key", cat("write [", section, ".NAME]"));
  }
}

// --set sae.studnet.k=4 makes a node of its own. One without its first key is a slip.
bool is_stray(const Value::Entry& section, const Value::Entry& node, Problems& problems) {
  const bool from_set = node.key_origin.line == 0;
  const char* first_key = section.key == "train" ? "saes" : "use";
  if (!from_set || node.value.find(first_key) != nullptr) return false;
  std::vector<std::string> names;
  for (const Value::Entry& other : section.value.as_table()) {
    if (other.key_origin.line > 0) names.push_back(other.key);
  }
  std::string help = did_you_mean(node.key, names);
  if (help.empty() && !names.empty()) help = "this recipe has " + listed(names);
  problems.error(node.key_origin, cat(section.key, '.', node.key), "there is no such node",
                 std::move(help));
  return true;
}

void add_nodes(Recipe& recipe, const Value::Entry& section) {
  Problems& problems = recipe.problems;
  const std::string example = cat("write [", section.key, ".NAME]");
  if (!section.value.is_table()) {
    problems.error(section.value.origin(), section.key,
                   cat("expected table, got ", section.value.type_name()), example);
    return;
  }
  const Value::Table& nodes = section.value.as_table();
  const auto scalar = std::find_if(nodes.begin(), nodes.end(), [](const Value::Entry& entry) {
    return !entry.value.is_table();
  });
  if (scalar != nodes.end()) {
    problems.error(section.key_origin, section.key,
                   cat("'", scalar->key, "' belongs to a node, and ", with_article(section.key),
                       " needs a name"),
                   example);
  }
  for (const Value::Entry& entry : nodes) {
    if (!entry.value.is_table() || is_stray(section, entry, problems)) continue;
    if (!is_plain_name(entry.key, false)) {
      problems.error(entry.key_origin, cat(section.key, '.', to_toml(Value(entry.key))),
                     "this cannot name a node", "letters, digits, '_' and '-' are allowed");
      continue;
    }
    NodeSpec node;
    node.section = section.key;
    node.name = entry.key;
    node.origin = entry.key_origin;
    node.table = entry.value;
    recipe.nodes.push_back(std::move(node));
  }
}

// Nodes come in the order of the text, also where sections alternate: those of a base file before
// those of the file that extends it, and last what `--set` adds.
void sort_nodes(std::vector<NodeSpec>& nodes, const SourceTexts& sources) {
  const auto place = [&](const NodeSpec& node) {
    const auto rank = static_cast<std::ptrdiff_t>(sources.rank(node.origin.source));
    const bool file = node.origin.line > 0;
    return std::tuple(file ? -rank : rank + 1, node.origin.line, node.origin.column);
  };
  std::stable_sort(nodes.begin(), nodes.end(),
                   [&](const NodeSpec& a, const NodeSpec& b) { return place(a) < place(b); });
}

// What the layers said, then what decoding adds: not again of a value that could not be read (a
// date), and with a word about parameters that another `use` took away.
Problems joined(const Document& document, const Problems& found) {
  Problems out = document.problems;
  for (Problem problem : found.list()) {
    const auto reported = [&](const Problem& known) {
      return !known.path.empty() && known.origin.text() == problem.origin.text() &&
             known.origin.column == problem.origin.column;
    };
    const std::vector<Problem>& before = document.problems.list();
    if (std::any_of(before.begin(), before.end(), reported)) continue;
    const std::vector<std::string>& dropped = document.dropped;
    const bool lost = problem.message == "missing key" &&
                      std::find(dropped.begin(), dropped.end(), problem.path) != dropped.end();
    if (lost) problem.help += "; another `use` starts anew: give it again";
    out.add(std::move(problem));
  }
  return out;
}

}  // namespace

Settings decode_settings(const Document& document) {
  Problems ignored;
  NoComponents none;
  const KeyIndex index(Value::table(), none);
  ComponentDecoder decoder(none, index, ignored);
  return decode_settings_table(settings_of(document.root), document, decoder).settings;
}

Recipe decode_recipe(const Document& document, ComponentCatalog& catalog) {
  Recipe recipe;
  recipe.path = document.path;
  if (!document.complete) {
    recipe.problems = document.problems;
    return recipe;
  }
  const KeyIndex index(document.root, catalog);
  ComponentDecoder decoder(catalog, index, recipe.problems);
  check_section_words(document.root, recipe.problems);
  DecodedSettings settings = decode_settings_table(settings_of(document.root), document, decoder);
  recipe.settings = std::move(settings.settings);
  recipe.settings_resolved = std::move(settings.resolved);
  for (const Value::Entry& entry : document.root.as_table()) {
    if (kind_of_section(entry.key) != nullptr) add_nodes(recipe, entry);
  }
  sort_nodes(recipe.nodes, document.sources);
  for (NodeSpec& node : recipe.nodes) {
    if (node.section == "train") {
      decode_train(node, decoder);
    } else if (node.section != "sae") {
      decode_node(node, decoder);
    } else {
      node.keys = SaeKeys{};
    }
  }
  expand_grids(recipe, decoder);
  check_replaced(recipe, decoder);
  recipe.problems = joined(document, recipe.problems);
  check_references(recipe);
  warn_replaced(recipe, document.sources);
  return recipe;
}

}  // namespace saffron::host
