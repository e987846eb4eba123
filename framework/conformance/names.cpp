#include "framework/conformance/names.h"

#include "framework/conformance/child.h"
#include "framework/conformance/library_checks.h"
#include "framework/loader/abi_rows.h"
#include "framework/loader/load.h"

#include <saffron/error.h>

#include <algorithm>
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

void append(std::string& text, const std::string& line) {
  text += (text.empty() ? "" : "\n") + line;
}

std::string line_of(const Origin& origin, const std::string& message, const std::string& help) {
  return Error(message).at(origin).with_help(help).what();
}

Words ids_of_the_library() {
  Words out = {kSilentStdout};
  for (const LibraryCheck& check : library_checks()) out.emplace_back(check.id);
  return out;
}

Words ids_of(std::string_view kind) {
  Words out;
  for (const testing::Check* check : testing::checks_for(kind)) out.emplace_back(check->id);
  return out;
}

Words all_ids() {
  Words out = ids_of_the_library();
  for (const testing::Check& check : testing::checks()) out.emplace_back(check.id);
  return out;
}

class Names {
 public:
  Names(const TestRequest& request, const PluginFile& file) : request_(request), file_(file) {
    for (const PluginFile::Component& component : file.components) {
      components_.push_back(name_of(component));
    }
    subjects_ = components_;
    subjects_.emplace_back(kLibrary);
  }

  std::string problems() {
    const TestSettings& settings = request_.settings;
    const Words ids = all_ids();
    for (const std::string& id : request_.only) need(id, ids, "check", {});
    for (const std::string& name : request_.components) need(name, components_, "component", {});
    for (std::size_t i = 0; i < settings.options.size(); ++i) {
      need(settings.options[i].component, components_, "component", at(settings.options_at, i));
    }
    if (!settings.options.empty()) append_undecodable();
    for (std::size_t i = 0; i < settings.off.size(); ++i) {
      off(settings.off[i].what, ids, at(settings.off_at, i));
    }
    return problems_;
  }

 private:
  // What a test says in C++ has no place.
  static Origin at(const std::vector<Origin>& origins, std::size_t i) {
    return i < origins.size() ? origins[i] : Origin();
  }

  bool need(const std::string& word, const Words& words, const std::string& what,
            const Origin& origin, const std::string& of = {}) {
    if (has(words, word)) return true;
    std::string near = nearest(word, words.data(), words.size());
    for (const std::string& whole : words) {  // "l1" for "regularizer/l1"
      if (whole.ends_with('/' + word)) near = whole;
    }
    append(problems_, line_of(origin, cat("there is no ", what, " '", word, '\'', of),
                              near.empty() ? "" : cat("did you mean '", near, "'?")));
    return false;
  }

  // "shapes", "library scan-time", "sae/relu shapes".
  void off(const std::string& what, const Words& ids, const Origin& origin) {
    const std::size_t space = what.find(' ');
    const std::string id = what.substr(space == std::string::npos ? 0 : space + 1);
    if (space == std::string::npos) {
      need(id, ids, "check", origin);
    } else if (const std::string of = what.substr(0, space);
               need(of, subjects_, "component", origin)) {
      need(id, of == kLibrary ? ids_of_the_library() : ids_of(of.substr(0, of.find('/'))), "check",
           origin, cat(" of ", of == kLibrary ? "the " : "", of));
    }
  }

  // What the plugin's own schemas say of [options]. That a parameter is missing skips its checks,
  // and a plugin that cannot be asked fails others.
  void append_undecodable() {
    const Ran ran = run_in_fork([&] { return testing::Verdict{Outcome::passed, undecodable()}; },
                                request_.timeout);
    if (ran.verdict.outcome == Outcome::passed && !ran.verdict.message.empty()) {
      append(problems_, ran.verdict.message);
    }
  }

  [[nodiscard]] std::string undecodable() const {
    std::string out;
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
        append(out,
               line_of(problem.origin, cat(problem.path, ": ", problem.message), problem.help));
      }
    }
    return out;
  }

  const TestRequest& request_;
  const PluginFile& file_;
  Words components_, subjects_;
  std::string problems_;
};

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

void check_names(const TestRequest& request, const PluginFile& file) {
  const std::string problems = Names(request, file).problems();
  if (!problems.empty()) throw Error(problems);
}

}  // namespace saffron::host
