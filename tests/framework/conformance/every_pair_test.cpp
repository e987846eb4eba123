#include "tests/framework/conformance/wrong_plugins.h"

#include <gtest/gtest.h>

#include <set>

// There is a deliberately wrong plugin of every kind for every check that applies to that kind.

namespace saffron::host {
namespace {

// Of which checks there can be no wrong component of a kind, beside those that the kit itself says
// do not apply to it.
struct Without {
  const char* check;
  std::set<std::string> kinds;  // empty: any
  const char* why;
};
const std::vector<Without>& without() {
  static const std::vector<Without> all = {
      {"cuda-matches-cpu", {}, "needs a GPU"},
      {"kind-tried", {"regularizer", "sae"}, "is warned too (RightComponents.ThatRefuse...)"},
      {"kind-tried",
       {"model", "source", "objective", "scorer", "world", "tokenizer", "format", "explainer",
        "judge"},
       "has checks that take whatever it refuses, or is told of by can-be-used"}};
  return all;
}

// "" where there can be one.
std::string why_without(const std::string& kind, const std::string& check) {
  for (const Without& one : without()) {
    if (check == one.check && (one.kinds.empty() || one.kinds.contains(kind))) return one.why;
  }
  return {};
}

// Whether the kit skips a check because of the kind: "a dataset has no batches".
bool speaks_of_kind(const std::string& message, const std::string& kind) {
  return message.starts_with(cat("a ", kind, ' ')) ||
         message.starts_with(cat("of a ", kind, ' ')) || message == "hands out no tensors";
}

std::set<std::string> found_of(const std::string& kind) {
  std::set<std::string> out;
  for (const std::string& name : {kind, cat("any_", kind)}) {
    for (const auto& component : read_plugin_file(wrong_library(name)).components) {
      out.insert(id_of(component.name));
    }
  }
  return out;
}

std::vector<std::string> ids_of(const std::string& kind) {
  std::vector<std::string> out = {saffron::testing::kNoProcessLeft,
                                  saffron::testing::KindTried::kId};
  for (const saffron::testing::Check* check : saffron::testing::checks_for(kind)) {
    out.emplace_back(check->id);
  }
  return out;
}

// Of these checks, those that the kit skips because of the kind.
std::set<std::string> not_for(const std::string& kind, const std::vector<std::string>& ids) {
  std::set<std::string> out;
  for (const TestedCheck& check : tested(wrong_library(kind), ids, {cat(kind, "/right")}).checks) {
    const bool skipped = check.verdict.outcome == Outcome::skipped;
    if (skipped && speaks_of_kind(check.verdict.message, kind)) out.insert(check.id);
  }
  return out;
}

class WrongComponentsOf : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Kinds, WrongComponentsOf, ::testing::ValuesIn(kKinds),
                         [](const auto& given) { return std::string(given.param); });

TEST_P(WrongComponentsOf, ThereIsOneForEveryCheck) {
  const std::string kind = GetParam();
  const std::set<std::string> found = found_of(kind);
  std::vector<std::string> missing;
  for (const std::string& id : ids_of(kind)) {
    const std::string why = why_without(kind, id);
    if (why.empty() && !found.contains(id)) missing.push_back(id);
    if (why.empty()) continue;
    EXPECT_FALSE(found.contains(id))
        << "there is a wrong " << kind << " for " << id << ", which " << why;
  }
  if (missing.empty()) return;
  const std::set<std::string> none = not_for(kind, missing);
  for (const std::string& id : missing) {
    EXPECT_TRUE(none.contains(id)) << "no deliberately wrong " << kind << " for " << id;
  }
}

}  // namespace
}  // namespace saffron::host
