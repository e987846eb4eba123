#include "framework/conformance/settings.h"

#include "framework/recipe/toml_reader.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <algorithm>
#include <vector>

namespace saffron::host {
namespace {

constexpr int kMostStrict = 10;

class Reader {
 public:
  Reader(const Value& root, TestSettings& out) : out_(out) {
    for (const Value::Entry& entry : root.as_table()) {
      if (entry.key == "strictness") {
        strictness(entry.value);
      } else if (entry.key == "options") {
        options(entry.value);
      } else if (entry.key == "off") {
        off(entry.value);
      } else {
        problem(entry.key_origin,
                cat("unknown key '", entry.key, "'; there are strictness, options and off"));
      }
    }
  }
  [[nodiscard]] const std::string& problems() const { return problems_; }

 private:
  void problem(const Origin& origin, const std::string& message) {
    problems_ += cat(problems_.empty() ? "" : "\n", origin.text(), ": ", message);
  }

  void strictness(const Value& value) {
    if (value.is_int() && value.as_int() >= 1 && value.as_int() <= kMostStrict) {
      out_.strictness = static_cast<int>(value.as_int());
    } else {
      problem(value.origin(),
              cat("strictness is an int from 1 to ", kMostStrict, ", not ", to_toml(value)));
    }
  }

  void options(const Value& value) {
    if (!value.is_table()) return problem(value.origin(), "options is a table of tables");
    for (const Value::Entry& entry : value.as_table()) {
      if (entry.value.is_table()) {
        out_.options.push_back({entry.key, entry.value});
        out_.options_at.push_back(entry.key_origin);
      } else {
        problem(entry.value.origin(),
                cat("[options.\"kind/name\"] is a table of that component's parameters, not ",
                    to_toml(entry.value)));
      }
    }
  }

  void off(const Value& value) {
    if (!value.is_table()) return problem(value.origin(), "off is a table of reasons");
    for (const Value::Entry& entry : value.as_table()) {
      if (entry.value.is_string() && !entry.value.as_string().empty()) {
        out_.off.push_back({entry.key, entry.value.as_string()});
        out_.off_at.push_back(entry.key_origin);
      } else {
        problem(entry.value.origin(),
                cat("'", entry.key, "' is switched off with a reason, a string, not ",
                    to_toml(entry.value)));
      }
    }
  }

  TestSettings& out_;
  std::string problems_;
};

}  // namespace

TestSettings read_test_settings(const std::filesystem::path& path) {
  const TomlText text = parse_toml(read_text(path), path.string());
  std::string problems;
  for (const Problem& problem : text.problems) {
    problems += cat(problems.empty() ? "" : "\n", problem.origin.text(), ": ", problem.message);
  }
  TestSettings out;
  if (problems.empty()) problems = Reader(text.root, out).problems();
  if (!problems.empty()) throw Error(problems);
  return out;
}

}  // namespace saffron::host
