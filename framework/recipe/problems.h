#pragma once

#include <saffron/schema.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {

// The texts that positions point into: recipe files by path, `--set` arguments by "--set #n".
// Messages quote the line.
class SourceTexts {
 public:
  void add(const std::string& name, std::string text);
  // Order of addition; unknown sources come last.
  [[nodiscard]] std::size_t rank(const std::string& name) const;
  // nullptr when the source is unknown.
  [[nodiscard]] const std::string* find(const std::string& name) const;

 private:
  struct Source {
    std::size_t rank;
    std::string text;
  };
  std::map<std::string, Source, std::less<>> sources_;
};

// Everything that is wrong with a recipe, collected and shown at once.
class Problems {
 public:
  // The same problem (place, path and message) is kept once.
  void add(Problem problem);
  void error(const Origin& origin, std::string path, std::string message, std::string help = {});
  void warning(const Origin& origin, std::string path, std::string message, std::string help = {});

  [[nodiscard]] const std::vector<Problem>& list() const { return list_; }
  [[nodiscard]] std::size_t errors() const;
  [[nodiscard]] bool ok() const { return errors() == 0; }

  // Sorted by position, as a compiler shows them; errors after `limit` are only counted:
  //
  //   recipes/a.toml:3:5: error: sae.student.k: expected int, got string "8"
  //     3 | k = "8"
  //       |     ^
  //     help: write 8 without quotes
  //   1 error
  [[nodiscard]] std::string text(const SourceTexts& sources, std::size_t limit = 20) const;
  // Throws Error (recipe) with that text when there are errors.
  void throw_errors(const SourceTexts& sources) const;

 private:
  std::vector<Problem> list_;
  std::set<std::string> seen_;
};

// "did you mean 'topk'?", or "" when nothing is near. For keys, components, kinds, plugins and
// subcommands alike.
[[nodiscard]] std::string did_you_mean(std::string_view word,
                                       const std::vector<std::string>& candidates);
// "'a', 'b' and 'c'"; after `limit` names "and 12 more".
[[nodiscard]] std::string listed(const std::vector<std::string>& names, std::size_t limit = 8);

}  // namespace saffron::host
