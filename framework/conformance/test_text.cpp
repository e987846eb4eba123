#include "framework/conformance/library_checks.h"
#include "framework/conformance/test_plugin.h"

#include <saffron/error.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace saffron::host {
namespace {

using testing::Outcome;

constexpr std::array kOutcomes = {Outcome::passed, Outcome::failed, Outcome::crashed,
                                  Outcome::warning, Outcome::skipped};
constexpr std::size_t kIdWidth = 36;
constexpr std::size_t kListWidth = 40;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

// Later lines of a message stand under its first. Control characters of a plugin's words would be the
// terminal's orders.
std::string indented(const std::string& message, std::size_t by) {
  std::string out;
  for (const char c : message) {
    const bool control =
        (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') || c == '\x7f';
    out += control ? '?' : c;
    if (c == '\n') out.append(by, ' ');
  }
  return out;
}

bool is_quiet(const TestedCheck& check) {
  return check.verdict.outcome == Outcome::passed || check.verdict.outcome == Outcome::skipped;
}

std::string counts(const PluginTest& test) {
  std::string out;
  for (const Outcome outcome : kOutcomes) {
    if (test.count(outcome) == 0) continue;
    out += cat(out.empty() ? "" : ", ", test.count(outcome), ' ', testing::name_of(outcome));
  }
  if (test.stopped) out += out.empty() ? "stopped before any check ended" : ", the rest not run";
  return out;
}

std::string row(const char* id, int strictness, const char* sentence) {
  return cat("  ", padded(id, kListWidth), strictness, strictness < 10 ? "   " : "  ", sentence,
             '\n');
}

// Whether a file has a component that the group's checks are for.
bool has_group(const PluginFile* file, std::string_view group) {
  if (file == nullptr || group == "parameters" || group == "component") return true;
  return std::any_of(file->components.begin(), file->components.end(),
                     [&](const PluginFile::Component& of) { return of.kind == group; });
}

}  // namespace

Value to_value(const PluginTest& test, bool only_failed) {
  Value out = Value::table();
  out.set("plugin", Value(test.file.id));
  out.set("version", Value(test.file.version));
  out.set("file", Value(test.file.path.string()));
  out.set("seed", Value(static_cast<std::int64_t>(test.seed)));
  out.set("strictness", Value(test.strictness));
  out.set("stopped", Value(test.stopped));
  Value checks = Value::list();
  for (const TestedCheck& check : test.checks) {
    if (only_failed && is_quiet(check)) continue;
    Value& one = checks.push(Value::table());
    one.set("subject", Value(check.subject));
    one.set("id", Value(check.id));
    one.set("sentence", Value(check.sentence));
    one.set("outcome", Value(testing::name_of(check.verdict.outcome)));
    one.set("message", Value(check.verdict.message));
    one.set("seconds", Value(check.seconds));
  }
  out.set("checks", std::move(checks));
  Value tally = Value::table();
  for (const Outcome outcome : kOutcomes) {
    tally.set(testing::name_of(outcome), Value(static_cast<std::int64_t>(test.count(outcome))));
  }
  out.set("counts", std::move(tally));
  return out;
}

void TextReport::begin(const PluginFile& file, const testing::Settings& settings) {
  out_ << file.id << ' ' << file.version << "   " << file.path.string() << "\nstrictness "
       << settings.strictness << ", seed " << settings.seed << std::endl;
}

void TextReport::add(const TestedCheck& check) {
  constexpr std::size_t kOutcomeWidth = 9;
  if (only_failed_ && is_quiet(check)) return;
  if (check.subject != subject_) out_ << '\n' << (subject_ = check.subject) << '\n';
  const Outcome outcome = check.verdict.outcome;
  const std::string& message = outcome == Outcome::passed ? check.sentence : check.verdict.message;
  out_ << "  " << padded(testing::name_of(outcome), kOutcomeWidth) << padded(check.id, kIdWidth)
       << ' ' << indented(message, kOutcomeWidth + kIdWidth + 3) << std::endl;
}

void TextReport::end(const PluginTest& test) { out_ << '\n' << counts(test) << std::endl; }

std::string text_of(const PluginTest& test, bool only_failed) {
  std::ostringstream out;
  TextReport report(out, only_failed);
  testing::Settings settings;
  settings.strictness = test.strictness;
  settings.seed = test.seed;
  report.begin(test.file, settings);
  for (const TestedCheck& check : test.checks) report.add(check);
  report.end(test);
  return out.str();
}

std::string list_of_checks(const PluginFile* file) {
  std::string out = "library\n";
  for (const LibraryCheck& check : library_checks()) {
    out += row(check.id, check.strictness, check.sentence);
  }
  out += row(kEndsWell, kEndsWellStrictness, kEndsWellSentence);
  out += row(testing::Silence::kId, testing::Silence::kStrictness, testing::Silence::kSentence);
  // In the order in which the groups begin; `destroy-without-use` runs early, and stands with its own.
  std::vector<std::string> groups;
  for (const testing::Check& check : testing::checks()) {
    if (!has_group(file, check.group)) continue;
    if (std::find(groups.begin(), groups.end(), check.group) == groups.end()) {
      groups.emplace_back(check.group);
    }
  }
  for (const std::string& group : groups) {
    out += cat('\n', group, '\n');
    for (const testing::Check& check : testing::checks()) {
      if (group == check.group) out += row(check.id, check.strictness, check.sentence);
    }
    if (group != "component") continue;
    out += row(kNoProcessLeft, kNoProcessLeftStrictness, kNoProcessLeftSentence);
    out += row(testing::KindTried::kId, testing::KindTried::kStrictness,
               testing::KindTried::kSentence);
  }
  return out;
}

}  // namespace saffron::host
