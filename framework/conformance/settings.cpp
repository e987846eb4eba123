#include "framework/conformance/settings.h"

#include "framework/recipe/toml_reader.h"

#include <saffron/error.h>
#include <saffron/io.h>

#include <algorithm>
#include <vector>

namespace saffron::host {
namespace {

constexpr int kMostStrict = 10;
constexpr double kLeastMemory = 0.125;  // GiB
constexpr int kMostMemory = 1'000'000;

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

class Reader {
 public:
  Reader(const Value& root, TestSettings& out, Problems& problems)
      : out_(out), problems_(problems) {
    const std::vector<std::string> keys = {"strictness", "memory", "options", "off"};
    for (const Value::Entry& entry : root.as_table()) {
      if (entry.key == keys[0]) {
        strictness(entry.value);
      } else if (entry.key == keys[1]) {
        memory(entry.value);
      } else if (entry.key == keys[2]) {
        options(entry.value);
      } else if (entry.key == keys[3]) {
        off(entry.value);
      } else {
        const std::string near = did_you_mean(entry.key, keys);
        problems_.error(entry.key_origin, entry.key, "unknown key",
                        near.empty() ? cat("there are ", listed(keys)) : near);
      }
    }
  }

 private:
  void problem(const Origin& origin, const std::string& message) {
    problems_.error(origin, "", message);
  }

  void strictness(const Value& value) {
    if (value.is_int() && value.as_int() >= 1 && value.as_int() <= kMostStrict) {
      out_.strictness = static_cast<int>(value.as_int());
    } else {
      problem(value.origin(),
              cat("strictness is an int from 1 to ", kMostStrict, ", not ", to_toml(value)));
    }
  }

  void memory(const Value& value) {
    if (value.is_number() && value.as_real() >= kLeastMemory && value.as_real() <= kMostMemory) {
      out_.memory = value.as_real();
    } else {
      problem(value.origin(), cat("memory is a number of GiB from ", kLeastMemory, " to ",
                                  kMostMemory, ", not ", to_toml(value)));
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
      if (entry.value.is_string() && !is_blank(entry.value.as_string())) {
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
  Problems& problems_;
};

}  // namespace

TestSettings read_test_settings(const std::filesystem::path& path, Problems& problems) {
  TestSettings out;
  try {
    if (std::filesystem::is_directory(path)) {
      throw Error("it is a folder, not a file").within(path.string());
    }
    const std::string text = read_utf8(path);
    out.sources.add(path.string(), text);
    TomlText parsed = parse_toml(text, path.string());
    for (Problem& problem : parsed.problems) problems.add(std::move(problem));
    if (problems.ok()) Reader(parsed.root, out, problems);
  } catch (const Error& error) {
    problems.error({}, "", error.what());
  }
  return out;
}

TestSettings read_test_settings(const std::filesystem::path& path) {
  Problems problems;
  TestSettings out = read_test_settings(path, problems);
  problems.throw_errors(out.sources);
  return out;
}

}  // namespace saffron::host
