#include "framework/run/training_lines.h"

#include <saffron/error.h>

#include <algorithm>
#include <tuple>

namespace saffron::host {
namespace {

bool is_of(const Value& line, const std::string& node) {
  return line.at("node").as_string() == node;
}

}  // namespace

std::map<std::string, std::int64_t> lines_by_sae(const std::vector<Value>& lines,
                                                 const std::string& node) {
  std::map<std::string, std::int64_t> count;
  for (const Value& line : lines) {
    if (is_of(line, node)) ++count[line.at("sae").as_string()];
  }
  return count;
}

void drop_lines(std::vector<Value>& lines, const std::string& node) {
  std::erase_if(lines, [&](const Value& line) { return is_of(line, node); });
}

void keep_lines(std::vector<Value>& lines, const std::string& node,
                const std::vector<std::string>& saes, const State& checkpoint,
                const std::filesystem::path& file) {
  const std::int64_t last = checkpoint.values.at("step").as_int();
  std::erase_if(lines, [&](const Value& line) {
    const auto wanted = [&] {
      return std::find(saes.begin(), saes.end(), line.at("sae").as_string()) != saes.end();
    };
    return is_of(line, node) && (line.at("step").as_int() > last || !wanted());
  });
  auto found = lines_by_sae(lines, node);
  for (const std::string& sae : saes) {
    const std::int64_t expected = checkpoint.values.at("lines").at(sae).as_int();
    if (found[sae] == expected) continue;
    throw Error(ErrorKind::data, cat("has ", found[sae], " lines of '", sae,
                                     "', its checkpoint speaks of ", expected))
        .within(file.string())
        .with_help("the file was changed; start over with --fresh (what is there is kept aside)");
  }
}

void arrange_lines(std::vector<Value>& lines, const Recipe& recipe) {
  std::map<std::string, std::size_t> nodes, saes;
  for (const NodeSpec* node : recipe.section("train")) nodes.emplace(node->path(), nodes.size());
  for (const Member& member : recipe.members) saes.emplace(member.name, saes.size());
  const auto rank = [&](const Value& line) {
    return std::tuple(nodes[line.at("node").as_string()], line.at("step").as_int(),
                      saes[line.at("sae").as_string()]);
  };
  std::stable_sort(lines.begin(), lines.end(),
                   [&](const Value& a, const Value& b) { return rank(a) < rank(b); });
}

}  // namespace saffron::host
