#include <saffron/testing/checks.h>

#include <saffron/error.h>

#include <algorithm>

namespace saffron::testing {
namespace {

using Words = std::vector<std::string>;

bool has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string did_you_mean(const std::string& word, const Words& words) {
  const std::string near = nearest(word, words.data(), words.size());
  return near.empty() ? "" : cat("did you mean '", near, "'?");
}

Words with_decided(Words ids) {
  ids.emplace_back(kNoProcessLeft);
  ids.emplace_back(KindTried::kId);
  return ids;
}

Words ids_of(std::string_view kind) {
  Words out;
  for (const Check* check : checks_for(kind)) out.emplace_back(check->id);
  return with_decided(std::move(out));
}

Words all_ids(const Words& library) {
  Words out = library;
  for (const Check& check : checks()) out.emplace_back(check.id);
  return with_decided(std::move(out));
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

// "shapes", "library scan-time", "sae/relu shapes".
std::optional<NameProblem> off_problem(const std::string& what, const Words& components,
                                       const Words& library) {
  const std::size_t space = what.find(' ');
  const std::string id = what.substr(space == std::string::npos ? 0 : space + 1);
  if (space == std::string::npos) return check_problem(id, all_ids(library));
  const std::string of = what.substr(0, space);
  if (of == kLibrary && !library.empty()) return check_problem(id, library, " of the library");
  Words subjects = components;
  if (!library.empty()) subjects.emplace_back(kLibrary);
  if (auto problem = component_problem(of, subjects)) return problem;
  return check_problem(id, ids_of(of.substr(0, of.find('/'))), cat(" of ", of));
}

}  // namespace

std::optional<NameProblem> check_problem(const std::string& id, const Words& ids,
                                         const std::string& of) {
  if (has(ids, id)) return std::nullopt;
  const std::string near = did_you_mean(id, ids);
  return NameProblem{
      .message = cat("there is no check '", id, '\'', of),
      .help = cat(near, near.empty() ? "" : " ", "saffron test-plugin --list FILE has ",
                  near.empty() ? "them" : "them all")};
}

std::optional<NameProblem> component_problem(const std::string& name, const Words& components) {
  if (has(components, name)) return std::nullopt;
  std::string near = nearest(name, components.data(), components.size());
  std::string all;
  for (const std::string& whole : components) {
    if (whole.ends_with('/' + name)) near = whole;  // "l1" for "regularizer/l1"
    all += cat(all.empty() ? "" : ", ", '\'', whole, '\'');
  }
  return NameProblem{
      .message = cat("there is no component '", name, '\''),
      .help = near.empty() ? cat("the plugin has ", all) : cat("did you mean '", near, "'?")};
}

std::vector<NameProblem> name_problems(const Settings& settings, const Words& components,
                                       const Words& library) {
  std::vector<NameProblem> out;
  const auto add = [&](std::optional<NameProblem> problem, bool of_options, std::size_t at) {
    if (!problem) return;
    problem->of_options = of_options;
    problem->at = at;
    out.push_back(std::move(*problem));
  };
  for (std::size_t i = 0; i < settings.options.size(); ++i) {
    add(component_problem(settings.options[i].component, components), true, i);
  }
  for (std::size_t i = 0; i < settings.off.size(); ++i) {
    add(off_problem(settings.off[i].what, components, library), false, i);
    if (!is_blank(settings.off[i].reason)) continue;
    add(NameProblem{.message = cat("'", settings.off[i].what, "' is switched off without a reason"),
                    .help = {}},
        false, i);
  }
  return out;
}

}  // namespace saffron::testing
