#include "scores.h"

#include <saffron/error.h>

#include <set>
#include <unordered_map>

namespace saffron::plugins {

std::string Scores::place(std::size_t row) const {
  return lines.empty() ? cat(source, ", row ", row) : cat(source, ":", lines[row]);
}

namespace {

// What there is where a column is missed.
std::string columns_of(const std::vector<std::string>& names) {
  if (names.size() == 1 && names.front().find_first_of(";\t") != std::string::npos) {
    return "commas stand between fields, and the first line has none";
  }
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "there are: " : ", ") + name;
  return out;
}

}  // namespace

ScoreLayout score_layout(const ScoreColumns& columns, const std::vector<std::string>& names,
                         const std::string& source) {
  const auto fail = [&](std::string message, std::string_view help = {}) {
    throw Error(ErrorKind::data, std::move(message)).within(source).with_help(help);
  };
  std::unordered_map<std::string_view, std::size_t> positions;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!positions.try_emplace(names[i], i).second) {
      fail(cat("there are two columns '", names[i], "'"), "the first line names the columns");
    }
  }
  std::set<std::size_t> used;
  const auto take = [&](const std::string& name, std::string_view key = {}) {
    const auto found = positions.find(name);
    if (found == positions.end()) {
      const std::string near = nearest(name, names.data(), names.size());
      std::string help = near.empty() ? columns_of(names) : "did you mean '" + near + "'?";
      if (!key.empty() && names.size() > 1)
        help += cat(near.empty() ? "; " : " ", key, " = \"...\" says which column it is");
      fail(cat("there is no column '", name, "'"), help);
    }
    if (!used.insert(found->second).second) fail(cat("column '", name, "' is asked for twice"));
    return found->second;
  };
  const auto take_optional = [&](const std::optional<std::string>& name, const char* usual) {
    const bool there = name || positions.contains(usual);
    return there ? std::optional(take(name.value_or(usual))) : std::nullopt;
  };
  ScoreLayout out;
  out.prompt = take(columns.prompt, "prompt");
  out.response = take(columns.response, "response");
  for (const std::string& name : columns.scores) out.scores.push_back(take(name));
  out.label = take_optional(columns.label, "label");
  out.log_reference = take_optional(columns.log_reference, "log_reference");
  for (const std::string& name : columns.numbers) out.numbers.push_back(take(name));
  for (const std::string& name : columns.groups) out.groups.push_back(take(name));
  for (std::size_t i = 0; columns.scores.empty() && i < names.size(); ++i) {
    if (used.contains(i)) continue;
    if (names[i].empty()) {
      fail(cat("column ", i + 1, " has no name"),
           "leave it out of the file (pandas: to_csv(index=False)), or say which columns are "
           "scores: scores = [...]");
    }
    out.scores.push_back(i);
  }
  if (out.scores.empty()) fail("there is no column with scores");
  return out;
}

}  // namespace saffron::plugins
