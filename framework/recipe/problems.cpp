#include "framework/recipe/problems.h"

#include <algorithm>
#include <tuple>

namespace saffron::host {
namespace {

std::string_view line_of(const std::string& text, std::int64_t line) {
  std::string_view rest = text;
  for (std::int64_t i = 1; i < line; ++i) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return {};
    rest.remove_prefix(end + 1);
  }
  rest = rest.substr(0, rest.find('\n'));
  if (rest.ends_with('\r')) rest.remove_suffix(1);
  return rest;
}

bool starts_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

// Terminals run control characters: they are shown as blanks. Long lines are cut around the place.
struct Excerpt {
  std::string text;
  std::size_t caret;  // characters before it
};

Excerpt excerpt(std::string_view line, std::int64_t column) {
  constexpr std::size_t kWidth = 88;
  std::vector<std::string_view> characters;
  for (std::size_t i = 0; i < line.size();) {
    std::size_t end = i + 1;
    while (end < line.size() && !starts_character(line[end])) ++end;
    characters.push_back(line.substr(i, end - i));
    i = end;
  }
  const std::size_t place = column > 0 ? static_cast<std::size_t>(column - 1) : 0;
  const std::size_t from = place >= kWidth ? place - kWidth / 2 : 0;
  const std::size_t to = std::min(characters.size(), from + kWidth);
  std::string text;
  for (std::size_t i = from; i < to; ++i) {
    const bool control =
        characters[i].size() == 1 && static_cast<unsigned char>(characters[i][0]) < 32;
    text += control ? std::string_view(" ") : characters[i];
  }
  return {text, std::min(place, characters.size()) - std::min(from, characters.size())};
}

// A `--set` argument has no line number: its column alone places the caret. What has no column is
// not quoted: a secret may stand there.
void append_excerpt(std::string& out, const Origin& origin, const SourceTexts& sources) {
  const std::string* text = sources.find(origin.source);
  if (text == nullptr || origin.column <= 0) return;
  const std::string_view line = line_of(*text, std::max<std::int64_t>(origin.line, 1));
  if (line.empty()) return;
  const Excerpt shown = excerpt(line, origin.column);
  const std::string number = origin.line > 0 ? std::to_string(origin.line) : "";
  const std::string margin(number.size(), ' ');
  out += cat("  ", number, " | ", shown.text, '\n');
  out += cat("  ", margin, " | ", std::string(shown.caret, ' '), "^\n");
}

void append_problem(std::string& out, const Problem& problem, const SourceTexts& sources) {
  const std::string where = problem.origin.text();
  if (!where.empty()) out += where + ": ";
  out += problem.warning ? "warning: " : "error: ";
  if (!problem.path.empty()) out += problem.path + ": ";
  out += problem.message + '\n';
  append_excerpt(out, problem.origin, sources);
  if (!problem.help.empty()) out += cat("  help: ", problem.help, '\n');
}

std::string counted(std::size_t n, const char* noun) {
  return cat(n, ' ', noun, n == 1 ? "" : "s");
}

}  // namespace

void SourceTexts::add(const std::string& name, std::string text) {
  sources_.try_emplace(name, Source{sources_.size(), std::move(text)});
}

std::size_t SourceTexts::rank(const std::string& name) const {
  const auto found = sources_.find(name);
  return found == sources_.end() ? sources_.size() : found->second.rank;
}

const std::string* SourceTexts::find(const std::string& name) const {
  const auto found = sources_.find(name);
  return found == sources_.end() ? nullptr : &found->second.text;
}

void Problems::add(Problem problem) {
  const std::string what = cat(problem.origin.source, '\n', problem.origin.line, '\n',
                               problem.origin.column, '\n', problem.path, '\n', problem.message);
  if (seen_.insert(what).second) list_.push_back(std::move(problem));
}

void Problems::error(const Origin& origin, std::string path, std::string message,
                     std::string help) {
  add({origin, std::move(path), std::move(message), std::move(help), false});
}

void Problems::warning(const Origin& origin, std::string path, std::string message,
                       std::string help) {
  add({origin, std::move(path), std::move(message), std::move(help), true});
}

std::size_t Problems::errors() const {
  return static_cast<std::size_t>(
      std::count_if(list_.begin(), list_.end(), [](const Problem& p) { return !p.warning; }));
}

std::string Problems::text(const SourceTexts& sources, std::size_t limit) const {
  std::vector<const Problem*> sorted;
  for (const Problem& problem : list_) sorted.push_back(&problem);
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Problem* a, const Problem* b) {
    const auto key = [&](const Problem* p) {
      return std::tuple(sources.rank(p->origin.source), p->origin.line, p->origin.column);
    };
    return key(a) < key(b);
  });
  std::string out;
  std::size_t shown = 0;
  for (const Problem* problem : sorted) {
    if (shown++ < limit) append_problem(out, *problem, sources);
  }
  if (list_.size() > limit) out += cat("and ", list_.size() - limit, " more\n");
  const std::size_t warnings = list_.size() - errors();
  if (errors() > 0) out += counted(errors(), "error");
  if (warnings > 0) out += (errors() > 0 ? ", " : "") + counted(warnings, "warning");
  if (!list_.empty()) out += '\n';
  return out;
}

void Problems::throw_errors(const SourceTexts& sources) const {
  if (ok()) return;
  std::string shown = text(sources);
  shown.pop_back();  // the last line's end
  throw Error(ErrorKind::recipe, std::move(shown));
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string near = nearest(word, candidates.data(), candidates.size());
  return near.empty() ? "" : cat("did you mean '", near, "'?");
}

std::string listed(const std::vector<std::string>& names, std::size_t limit) {
  std::string out;
  const std::size_t shown = std::min(names.size(), limit);
  for (std::size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == names.size();
    if (i > 0) out += last ? " and " : ", ";
    out += cat('\'', names[i], '\'');
  }
  if (names.size() > shown) out += cat(" and ", names.size() - shown, " more");
  return out;
}

}  // namespace saffron::host
