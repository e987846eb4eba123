#include "tests/framework/conformance/wrong_plugins.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <set>

// Each deliberately wrong plugin is found out by exactly the check that it is named after.

namespace saffron::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void print_row(const std::string& subject, const std::string& id, const TestedCheck& check) {
  std::string message = check.verdict.message.substr(0, check.verdict.message.find('\n'));
  std::cout << "  " << subject << " -> " << id << " ("
            << saffron::testing::name_of(check.verdict.outcome) << "): " << message << "\n";
}

// What is wrong with components of a kind: as of that kind, and as of any.
std::vector<std::string> wrong_libraries() {
  std::vector<std::string> out;
  for (const char* kind : kKinds) {
    out.emplace_back(kind);
    out.push_back(cat("any_", kind));
  }
  return out;
}

class WrongComponents : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kinds, WrongComponents, ::testing::ValuesIn(wrong_libraries()),
                         [](const auto& given) { return given.param; });

TEST_P(WrongComponents, AreFoundOutByExactlyTheirCheck) {
  const PluginTest test = tested(wrong_library(GetParam()));
  std::map<std::string, std::vector<const TestedCheck*>> found;
  for (const PluginFile::Component& component : test.file.components) {
    found[component.kind + '/' + component.name];
  }
  for (const TestedCheck& check : test.checks) {
    if (check.subject == "library") {
      EXPECT_FALSE(wrong(check)) << check.id << ": " << check.verdict.message;
    } else if (wrong(check)) {
      found[check.subject].push_back(&check);
    }
  }
  EXPECT_GE(found.size(), 5U);
  for (const auto& [subject, checks] : found) {
    const std::string name = subject.substr(subject.find('/') + 1);
    std::vector<std::string> ids;
    for (const TestedCheck* check : checks) {
      ids.push_back(check->id);
      print_row(subject, check->id, *check);
    }
    const std::vector<std::string> expected = name.starts_with("right")
                                                  ? std::vector<std::string>()
                                                  : std::vector<std::string>{id_of(name)};
    EXPECT_EQ(ids, expected) << subject;
  }
}

// However few the latents.
TEST(RightComponents, OfAnyWidth) {
  for (const char* name : {"relu", "jumprelu", "gated"}) {
    for (const std::int64_t width : {3, 2, 1}) {
      TestRequest request;
      request.file = fs::path(kBuildDir) / "lib/saffron/plugins" / cat("lib", name, ".so");
      Value options = Value::table();
      options.set("width", width);
      request.settings.options = {{cat("sae/", name), options}};
      request.only = {"float64", "reinitialises-what-is-asked",
                      "gradient-matches-finite-difference"};
      for (const TestedCheck& check : test_plugin(request).checks) {
        EXPECT_FALSE(wrong(check))
            << name << " of " << width << ": " << check.id << ": " << check.verdict.message;
      }
    }
  }
}

class WrongLibraries : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Checks, WrongLibraries,
                         ::testing::Values("load_now_local", "entry_idempotent",
                                           "entry_refuses_future_abi", "descriptor_consistency",
                                           "docs_complete", "exports_only_entry",
                                           "starts_no_thread", "loading_changes_nothing",
                                           "scan_time", "silent_stdout", "ends_well",
                                           "ends_well__atexit"),
                         [](const auto& given) { return std::string(given.param); });

void expect_only(const PluginTest& test, const std::string& id) {
  std::vector<std::string> ids;
  for (const TestedCheck& check : test.checks) {
    if (!wrong(check)) continue;
    ids.push_back(check.id);
    print_row(test.file.id, check.id, check);
  }
  EXPECT_EQ(ids, std::vector<std::string>{id});
}

TEST_P(WrongLibraries, AreFoundOutByExactlyTheirCheck) {
  expect_only(tested(tests_folder() / "wrong_libraries" /
                     (std::string("libwrong_library_") + GetParam() + ".so")),
              id_of(GetParam()));
}

TEST(WrongLibraries, ThatTheLoaderRefuses) {
  expect_only(tested(tests_folder() / "plugins" / "libfixture_torch_library.so"),
              "no-static-torch-registration");
  expect_only(tested(tests_folder() / "plugins" / "libfixture_two_torches.so"), "single-libtorch");
}

// One fault: what needs a descriptor is skipped.
TEST(WrongLibraries, WhoseEntryGivesNoDescriptor) {
  for (const char* name : {"null_entry", "throwing_entry"}) {
    SCOPED_TRACE(name);
    const PluginTest test =
        tested(tests_folder() / "plugins" / (std::string("libfixture_") + name + ".so"));
    expect_only(test, "descriptor-consistency");
    for (const TestedCheck& check : test.checks) {
      EXPECT_EQ(check.subject, "library");
      if (!check.id.starts_with("entry-")) continue;
      EXPECT_EQ(check.verdict.outcome, Outcome::skipped) << check.id;
      EXPECT_EQ(check.verdict.message, "see descriptor-consistency") << check.id;
    }
  }
}

TEST(WrongLibraries, WhoseEntryCrashes) {
  const PluginTest test =
      tested(tests_folder() / "wrong_libraries" / "libwrong_library_entry_crashes.so");
  expect_only(test, "entry-idempotent");
  EXPECT_EQ(test.count(Outcome::crashed), 1U);
}

// A library that aborts inside dlopen: nothing more is asked of it.
TEST(WrongLibraries, ThatCrashWhenTheyAreLoaded) {
  const PluginTest test = tested(tests_folder() / "plugins" / "libfixture_crash_on_load.so");
  EXPECT_EQ(test.count(Outcome::crashed), 1U);
  EXPECT_EQ(test.count(Outcome::failed), 0U);
  for (const TestedCheck& check : test.checks) {
    if (check.id == "load-now-local") {
      EXPECT_THAT(check.verdict.message, HasSubstr("crashed with SIGABRT"));
    }
  }
}

// What declares that it is not deterministic is not compared with itself.
TEST(RightComponents, ThatAreNotDeterministic) {
  const std::map<std::string, std::vector<std::string>> compared = {
      {"dataset", {"rows-are-pure", "rows-from-two-threads"}},
      {"regularizer", {"float64", "gradient-matches-finite-difference", "scale-degree"}}};
  for (const auto& [kind, ids] : compared) {
    std::vector<std::string> only = {"deterministic-same-seed", "two-instances-independent"};
    only.insert(only.end(), ids.begin(), ids.end());
    const PluginTest test = tested(tests_folder() / "wrong" / cat("libwrong_", kind, ".so"), only,
                                   {cat(kind, "/right_but_noisy")});
    std::size_t skipped = 0;
    for (const TestedCheck& check : test.checks) {
      if (check.subject != cat(kind, "/right_but_noisy")) continue;
      EXPECT_EQ(check.verdict.message, "declares that it is not deterministic") << check.id;
      skipped += check.verdict.outcome == Outcome::skipped ? 1 : 0;
    }
    EXPECT_EQ(skipped, only.size()) << kind;
  }
}

// Blocks of truth tables, or of counts, are equal with right: who says so gives origins.
TEST(RightComponents, WhoseBlocksAreEqual) {
  const PluginTest test =
      tested(tests_folder() / "wrong/libwrong_source.so", {"shards-partition-exactly"});
  for (const TestedCheck& check : test.checks) {
    if (!check.subject.ends_with("__without_origins")) continue;
    EXPECT_EQ(check.verdict.outcome, Outcome::warning);
    EXPECT_THAT(check.verdict.message, HasSubstr("where that is right, give every row its origin"));
  }
}

// LibTorch's own advice for it, retain_graph, is no help to an author.
TEST(WrongComponents, ThatKeepAGraph) {
  const PluginTest test = tested(tests_folder() / "wrong/libwrong_regularizer.so", {"used-again"});
  for (const TestedCheck& check : test.checks) {
    if (!check.subject.ends_with("/used_again__graph")) continue;
    EXPECT_THAT(check.verdict.message, HasSubstr("keep it detach()ed"));
    EXPECT_THAT(check.verdict.message, Not(HasSubstr("frame #")));
  }
}

// What wants more than the toy world has is skipped; one warning says so, and that it was not tried.
TEST(RightComponents, ThatRefuseTheToyWorld) {
  const PluginTest test = tested(tests_folder() / "wrong" / "libwrong_choosy.so");
  EXPECT_FALSE(test.passed());
  const std::string refusal =
      "takes no step of one to 4 toy SAEs: SAE 'toy0' has no code of four spaces";
  std::size_t told = 0;
  for (const TestedCheck& check : test.checks) {
    if (check.verdict.message.find(refusal) == std::string::npos) continue;
    ++told;
    EXPECT_EQ(check.verdict.outcome, check.id == "scalar-and-finite" ? Outcome::warning
                                     : check.id == "kind-tried"      ? Outcome::failed
                                                                     : Outcome::skipped)
        << check.id;
  }
  EXPECT_GT(told, 10U);
  EXPECT_EQ(test.count(Outcome::warning), 1U);
  EXPECT_EQ(test.count(Outcome::failed), 1U);
}

TEST(RightComponents, ThatRefuseTheToyRows) {
  const PluginTest test = tested(tests_folder() / "wrong" / "libwrong_choosy_sae.so");
  for (const TestedCheck& check : test.checks) {
    if (check.verdict.outcome == Outcome::failed) {
      EXPECT_EQ(check.id, "kind-tried");
    }
  }
  EXPECT_EQ(test.count(Outcome::failed), 1U);
  for (const TestedCheck& check : test.checks) {
    if (check.verdict.outcome != Outcome::warning) continue;
    EXPECT_EQ(check.id, "shapes");
    EXPECT_THAT(check.verdict.message, HasSubstr("nothing could be checked"));
    EXPECT_THAT(check.verdict.message, HasSubstr("rows are 768 wide, not 12"));
    EXPECT_THAT(check.verdict.message, HasSubstr("[options.\"sae/choosy\"]"));
  }
  EXPECT_EQ(test.count(Outcome::warning), 1U);
}

TEST(RightComponents, ThatRefuseTheToySaes) {
  const PluginTest test = tested(tests_folder() / "wrong" / "libwrong_choosy_scorer.so");
  std::size_t told = 0;
  for (const TestedCheck& check : test.checks) {
    if (check.verdict.message.find("scores SAEs that are 768 wide") == std::string::npos) continue;
    ++told;
    EXPECT_EQ(check.verdict.outcome, check.id == "kind-tried" ? Outcome::failed : Outcome::skipped)
        << check.id;
  }
  EXPECT_GT(told, 10U);
  EXPECT_EQ(test.count(Outcome::warning), 0U);
  EXPECT_EQ(test.count(Outcome::failed), 1U);
}

// Crash, abort, hang, exit and foreign exceptions: the report comes all the same.
TEST(WrongPlugins, LeaveTheHostRunningToItsReport) {
  TestRequest request;
  request.file = tests_folder() / "plugins" / "libfixture_failing.so";
  request.only = {"defaults-valid", "no-thread-left"};
  request.limits.timeout = std::chrono::seconds(3);
  const PluginTest test = test_plugin(request);
  std::map<std::string, const TestedCheck*> first;
  const std::set<std::string> made = {"regularizer/chatter", "regularizer/leaves_a_process"};
  for (const TestedCheck& check : test.checks) {
    if (check.id == "defaults-valid") first[check.subject] = &check;
    if (check.id == "no-thread-left" && !made.contains(check.subject)) {
      EXPECT_NE(check.verdict.outcome, Outcome::passed) << check.subject;
    }
  }
  const auto expect = [&](const char* name, Outcome outcome, const char* text) {
    const TestedCheck* check = first.at(std::string("regularizer/") + name);
    EXPECT_EQ(check->verdict.outcome, outcome) << name;
    EXPECT_THAT(check->verdict.message, HasSubstr(text)) << name;
    print_row(check->subject, check->id, *check);
  };
  expect("crash", Outcome::crashed, "crashed with SIGSEGV");
  expect("abort", Outcome::crashed, "crashed with SIGABRT");
  expect("hang", Outcome::crashed, "gave no answer within 3 s");
  expect("exit", Outcome::crashed, "ended the process itself, with code 3");
  expect("exit_0", Outcome::crashed, "ended the process itself, with code 0");
  expect("error", Outcome::failed, "the table has 3 columns, not 4");
  expect("runtime_error", Outcome::failed, "out of luck");
  expect("int", Outcome::failed, "threw int");
  expect("own_type", Outcome::failed, "not a std::exception");
  expect("own_exception", Outcome::failed, "peculiar indeed");
}

}  // namespace
}  // namespace saffron::host
