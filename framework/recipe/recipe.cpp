#include "framework/recipe/recipe.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace saffron::host {
namespace {

// "student[k=8,seed=2]" as its parts. Blanks around them do not count.
struct MemberName {
  std::string sae;
  Coordinates coordinates;
};

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::optional<MemberName> parse_member(std::string_view text) {
  const std::size_t open = text.find('[');
  if (open == text.npos) return MemberName{std::string(text), {}};
  if (!text.ends_with(']')) return std::nullopt;
  MemberName out{std::string(trim(text.substr(0, open))), {}};
  std::string_view rest = text.substr(open + 1, text.size() - open - 2);
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    const std::size_t equals = item.find('=');
    if (equals == item.npos) return std::nullopt;
    out.coordinates.emplace_back(trim(item.substr(0, equals)), trim(item.substr(equals + 1)));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return out;
}

// Numbers are equal by value: 1e-4 is 0.0001.
bool same_coordinate(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto number = [](const std::string& text) -> std::optional<double> {
    double value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
  };
  const std::optional<double> left = number(a), right = number(b);
  return left && right && *left == *right;
}

bool matches(const Member& member, const MemberName& name) {
  if (member.sae != name.sae) return false;
  return std::all_of(name.coordinates.begin(), name.coordinates.end(), [&](const auto& wanted) {
    return std::any_of(member.coordinates.begin(), member.coordinates.end(), [&](const auto& has) {
      return has.first == wanted.first && same_coordinate(has.second, wanted.second);
    });
  });
}

}  // namespace

std::int64_t NodeSpec::seed() const {
  return std::visit([](const auto& own) { return own.seed; }, keys);
}

const NodeSpec* Recipe::find(std::string_view section, std::string_view name) const {
  for (const NodeSpec& node : nodes) {
    if (node.section == section && node.name == name) return &node;
  }
  return nullptr;
}

std::vector<const NodeSpec*> Recipe::section(std::string_view section) const {
  std::vector<const NodeSpec*> out;
  for (const NodeSpec& node : nodes) {
    if (node.section == section) out.push_back(&node);
  }
  return out;
}

std::vector<const Member*> Recipe::expand(std::string_view reference) const {
  std::vector<const Member*> out;
  const std::optional<MemberName> name = parse_member(reference);
  if (!name) return out;
  for (const Member& member : members) {
    if (matches(member, *name)) out.push_back(&member);
  }
  return out;
}

const NodeSpec* Recipe::trainer_of(std::string_view sae) const {
  for (const NodeSpec& node : nodes) {
    if (node.section != "train") continue;
    const std::vector<std::string>& saes = node.train().saes;
    if (std::find(saes.begin(), saes.end(), sae) != saes.end()) return &node;
  }
  return nullptr;
}

std::vector<const NodeSpec*> Recipe::untrained() const {
  std::vector<const NodeSpec*> out;
  for (const NodeSpec& node : nodes) {
    if (node.section == "sae" && trainer_of(node.name) == nullptr) out.push_back(&node);
  }
  return out;
}

void report_untrained(Recipe& recipe, const NodeSpec& sae) {
  recipe.problems.error(sae.origin, sae.path(), "no train node trains it",
                        cat("list it: saes = [\"", sae.name, "\"] in a table [train.NAME]"));
}

std::vector<std::size_t> members_over(const Recipe& recipe, const TrainGroup& group,
                                      const RegularizerSpec& regularizer) {
  std::vector<std::size_t> out;
  for (const std::string& sae : regularizer.keys.over) {
    for (std::size_t i = 0; i < group.members.size(); ++i) {
      if (recipe.members[group.members[i]].sae == sae) out.push_back(i);
    }
  }
  return out;
}

}  // namespace saffron::host
