#include "framework/conformance/names.h"

#include "framework/conformance/library_checks.h"
#include "framework/loader/abi_rows.h"
#include "framework/loader/load.h"
#include "framework/recipe/problems.h"

#include <saffron/error.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace saffron::host {
namespace {

using testing::Outcome;
using testing::Subject;

using Words = std::vector<std::string>;

bool has(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

Words ids_of_the_library() {
  Words out = {testing::Silence::kId, kEndsWell};
  for (const LibraryCheck& check : library_checks()) out.emplace_back(check.id);
  return out;
}

Words all_ids() {
  Words out = ids_of_the_library();
  out.emplace_back(kNoProcessLeft);
  out.emplace_back(testing::KindTried::kId);
  for (const testing::Check& check : testing::checks()) out.emplace_back(check.id);
  return out;
}

// What a child has found, for its parent; as many as fit into an answer.
constexpr std::size_t kLongestAnswer = 6000;

Value to_value(const Problem& problem) {
  Value out = Value::table();
  out.set("source", Value(problem.origin.source));
  out.set("line", Value(problem.origin.line));
  out.set("column", Value(problem.origin.column));
  out.set("path", Value(problem.path));
  out.set("message", Value(problem.message));
  out.set("help", Value(problem.help));
  return out;
}

Problem problem_of(const Value& value) {
  Problem out;
  out.origin.source = value.at("source").as_string();
  out.origin.line = value.at("line").as_int();
  out.origin.column = value.at("column").as_int();
  out.path = value.at("path").as_string();
  out.message = value.at("message").as_string();
  out.help = value.at("help").as_string();
  return out;
}

class Names {
 public:
  Names(const TestRequest& request, const PluginFile& file, const Children& children)
      : request_(request), file_(file), children_(children) {
    for (const PluginFile::Component& component : file.components) {
      components_.push_back(name_of(component));
    }
  }

  Problems problems() {
    const TestSettings& settings = request_.settings;
    const Words ids = all_ids();
    for (const std::string& id : request_.only) add(testing::check_problem(id, ids), {});
    for (const std::string& name : request_.components) {
      add(testing::component_problem(name, components_), {});
    }
    const auto named = testing::name_problems(settings, components_, ids_of_the_library());
    for (const testing::NameProblem& problem : named) {
      if (problem.of_options) add(problem, at(settings.options_at, problem.at));
    }
    if (!settings.options.empty()) add_undecodable();
    for (const testing::NameProblem& problem : named) {
      if (!problem.of_options) add(problem, at(settings.off_at, problem.at));
    }
    return problems_;
  }

 private:
  // What a test says in C++ has no place.
  static Origin at(const std::vector<Origin>& origins, std::size_t i) {
    return i < origins.size() ? origins[i] : Origin();
  }

  void add(const std::optional<testing::NameProblem>& problem, const Origin& origin) {
    if (problem) problems_.error(origin, "", problem->message, problem->help);
  }

  // What the plugin's own schemas say of [options]. That a parameter is missing skips its checks,
  // and a plugin that cannot be asked fails others.
  void add_undecodable() {
    const Ran ran = children_.run([&] {
      return testing::Verdict{Outcome::passed, to_json(undecodable(), JsonStyle::compact)};
    });
    if (ran.verdict.outcome != Outcome::passed) return;
    const Value found = from_json(ran.verdict.message, "child");
    for (const Value& problem : found.as_list()) {
      problems_.add(problem_of(problem));
    }
  }

  [[nodiscard]] Value undecodable() const {
    Value out = Value::list();
    std::size_t size = 0;
    for (const PluginFile::Component& component : file_.components) {
      const Value options = request_.settings.options_of(component.kind, component.name);
      if (options.as_table().empty()) continue;
      const Subject subject(row_of(file_, component), options);
      Words missing;
      for (const std::string& name : subject.lacking()) {
        missing.push_back(cat(component.name, '.', name));
      }
      for (const Problem& problem : subject.decode(subject.options()).problems) {
        if (problem.warning || has(missing, problem.path)) continue;
        Value value = to_value(problem);
        size += to_json(value).size();
        if (size < kLongestAnswer) out.push(std::move(value));
      }
    }
    return out;
  }

  const TestRequest& request_;
  const PluginFile& file_;
  const Children& children_;
  Words components_;
  Problems problems_ = request_.problems;
};

// Those of a command line as other errors of one are shown: without quotes of a file.
std::string plain_text(const Problems& problems) {
  std::string out;
  for (const Problem& problem : problems.list()) {
    out +=
        cat(out.empty() ? "" : "\nerror: ", Error(problem.message).with_help(problem.help).what());
  }
  return out;
}

}  // namespace

std::string name_of(const PluginFile::Component& component) {
  return cat(component.kind, '/', component.name);
}

const saffron_component& row_of(const PluginFile& file, const PluginFile::Component& component) {
  const saffron_plugin* plugin = open_plugin(file)(SAFFRON_ABI_MAJOR, SAFFRON_ABI_MINOR);
  if (plugin == nullptr) throw Error("the plugin's entry returns no descriptor");
  for (const saffron_component& row : components_of(*plugin)) {
    if (component.kind == row.kind && component.name == row.name) return row;
  }
  throw Error(cat("the plugin's descriptor has no ", component.kind, " '", component.name, "'"));
}

void check_names(const TestRequest& request, const PluginFile& file, const Children& children) {
  const Problems problems = Names(request, file, children).problems();
  const auto& list = problems.list();
  const bool in_file =
      !request.problems.ok() ||
      std::any_of(list.begin(), list.end(), [](const Problem& p) { return p.origin.known(); });
  if (in_file) {
    problems.throw_errors(request.settings.sources);
  }
  if (!problems.ok()) throw Error(plain_text(problems));
}

}  // namespace saffron::host
