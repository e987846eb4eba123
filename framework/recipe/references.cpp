#include "framework/recipe/references.h"

#include "framework/recipe/kinds.h"

#include <algorithm>
#include <map>
#include <set>

namespace saffron::host {
namespace {

using Reference = Decoded::Reference;

std::vector<std::string> names_in(const Recipe& recipe, const std::vector<std::string>& sections) {
  std::vector<std::string> out;
  for (const NodeSpec& node : recipe.nodes) {
    if (std::find(sections.begin(), sections.end(), node.section) != sections.end()) {
      out.push_back(node.name);
    }
  }
  return out;
}

std::string base_name(const std::string& reference) {
  return reference.substr(0, reference.find('['));
}

// The sections in which a reference of this kind looks.
std::vector<std::string> sections_for(const std::string& kind) {
  const std::string_view section = section_of(kind);
  return section.empty() ? providers_of(kind) : std::vector<std::string>{std::string(section)};
}

const NodeSpec* target_of(const Recipe& recipe, const Reference& reference) {
  const std::string name = reference.kind == "sae" ? base_name(reference.node) : reference.node;
  for (const std::string& section : sections_for(reference.kind)) {
    if (const NodeSpec* found = recipe.find(section, name)) return found;
  }
  return nullptr;
}

void report_unknown(Recipe& recipe, const Reference& reference) {
  const auto error = [&](std::string message, std::string help) {
    recipe.problems.error(reference.origin, reference.path, std::move(message), std::move(help));
  };
  const std::vector<std::string> sections = sections_for(reference.kind);
  if (sections.empty()) {
    error(cat("no node provides ", with_article(reference.kind)),
          cat("configure one here: { use = \"", reference.node, "\" }"));
    return;
  }
  const std::vector<std::string> names = names_in(recipe, sections);
  std::string wanted;
  for (const std::string& section : sections) {
    wanted += cat(wanted.empty() ? "" : " or ", section);
  }
  std::string help = did_you_mean(base_name(reference.node), names);
  if (help.empty()) {
    help = names.empty() ? cat("this recipe has no [", sections[0], ".NAME]")
                         : cat("this recipe has ", wanted, ' ', listed(names));
  }
  for (const NodeSpec& node : recipe.nodes) {
    if (node.name != reference.node) continue;
    error(cat("'", node.name, "' is ", with_article(node.section), ", not ", with_article(wanted)),
          std::move(help));
    return;
  }
  const StreamName stream = parse_stream(reference.node);
  if (reference.kind == "source" && recipe.find("source", stream.source) != nullptr) {
    error(cat("expected the name of a source, got the stream \"", reference.node, '"'),
          cat("write \"", stream.source, '"'));
    return;
  }
  error(cat("there is no ", wanted, " '", reference.node, '\''), std::move(help));
}

void check_members(Recipe& recipe, const Reference& reference) {
  const std::vector<const Member*> members = recipe.expand(reference.node);
  std::vector<std::string> names;
  if (members.empty()) {
    for (const Member* member : recipe.expand(base_name(reference.node))) {
      names.push_back(member->name);
    }
    if (names.empty()) return;  // the SAE itself is in error
    recipe.problems.error(reference.origin, reference.path,
                          cat("there is no member '", reference.node, '\''),
                          cat("there are ", listed(names)));
  } else if (members.size() > 1 && !reference.list) {
    for (const Member* member : members) names.push_back(member->name);
    recipe.problems.error(
        reference.origin, reference.path,
        cat("'", reference.node, "' stands for ", members.size(), " members, and one is wanted"),
        cat("name one of ", listed(names)));
  }
}

void check_targets(Recipe& recipe, const NodeSpec& node) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const Reference& reference : node.references) {
    const std::string list = reference.path.substr(0, reference.path.rfind('['));
    const bool stream = node.section == "sae" && reference.kind == "source";
    if (reference.list && !stream && !seen.emplace(list, reference.node).second) {
      recipe.problems.error(reference.origin, reference.path,
                            cat("'", reference.node, "' is named twice"));
    }
    const NodeSpec* target = target_of(recipe, reference);
    if (target == nullptr) {
      report_unknown(recipe, reference);
    } else if (reference.kind == "sae" && node.section != "train") {
      check_members(recipe, reference);
    }
  }
}

// What must be there before a node's own result: an SAE's is made by the node that trains it, which
// itself needs what that SAE and its other SAEs refer to.
class Cycles {
 public:
  explicit Cycles(Recipe& recipe) : recipe_(recipe) {}

  void report() {
    for (const NodeSpec& node : recipe_.nodes) visit(node, {});
  }

 private:
  struct Edge {
    const NodeSpec* to;
    Origin origin;
    std::string path;
  };

  std::vector<Edge> edges(const NodeSpec& node) const {
    std::vector<Edge> out;
    const auto add = [&](const Reference& reference) {
      const NodeSpec* target = target_of(recipe_, reference);
      if (target != nullptr) out.push_back({target, reference.origin, reference.path});
    };
    if (node.section == "sae") {
      if (const NodeSpec* trainer = recipe_.trainer_of(node.name)) {
        return {{trainer, node.origin, node.path()}};
      }
    }
    const bool train = node.section == "train";
    for (const Reference& reference : node.references) {
      const bool trained = train && reference.path.starts_with(node.path() + ".saes[");
      const NodeSpec* sae = trained ? recipe_.find("sae", reference.node) : nullptr;
      if (sae != nullptr) {
        for (const Reference& inner : sae->references) add(inner);
      } else if (!trained) {
        add(reference);
      }
    }
    return out;
  }

  void visit(const NodeSpec& node, const Edge& from) {
    const auto on_stack = std::find(stack_.begin(), stack_.end(), &node);
    if (on_stack != stack_.end()) {
      std::string chain;
      for (auto i = on_stack; i != stack_.end(); ++i) chain += (*i)->path() + " -> ";
      recipe_.problems.error(from.origin, from.path,
                             cat("nodes need one another: ", chain, node.path()));
      return;
    }
    if (!done_.insert(&node).second) return;
    stack_.push_back(&node);
    for (const Edge& edge : edges(node)) visit(*edge.to, edge);
    stack_.pop_back();
  }

  Recipe& recipe_;
  std::vector<const NodeSpec*> stack_;
  std::set<const NodeSpec*> done_;
};

void reach(const Recipe& recipe, const NodeSpec& node, std::set<const NodeSpec*>& reached) {
  if (!reached.insert(&node).second) return;
  for (const Reference& reference : node.references) {
    if (const NodeSpec* target = target_of(recipe, reference)) reach(recipe, *target, reached);
  }
}

void warn_unused(Recipe& recipe) {
  std::set<const NodeSpec*> reached;
  for (const NodeSpec& node : recipe.nodes) {
    if (kind_of_section(node.section)->result) reach(recipe, node, reached);
  }
  if (reached.empty()) {
    recipe.problems.warning({recipe.path, 1, 1}, "", "the recipe has nothing to run",
                            "results come from [train.NAME], [score.NAME] and [compare.NAME]");
    return;
  }
  for (const NodeSpec& node : recipe.nodes) {
    if (reached.contains(&node)) continue;
    recipe.problems.warning(node.origin, node.path(), "nothing uses this node; it will not run");
  }
}

}  // namespace

void check_references(Recipe& recipe) {
  for (const NodeSpec& node : recipe.nodes) check_targets(recipe, node);
  Cycles(recipe).report();
  if (recipe.problems.ok()) warn_unused(recipe);
}

}  // namespace saffron::host
