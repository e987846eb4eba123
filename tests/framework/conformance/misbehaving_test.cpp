#include "framework/conformance/test_plugin.h"

#include "tests/places.h"
#include "tests/temporary_folder.h"

#include <saffron/error.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>

// What plugins do to the program that tests them (tests/fixtures/wrong_libraries/misbehaving.cpp).

namespace saffron::host {
namespace {

namespace fs = std::filesystem;
using saffron::testing::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TestRequest request(const std::string& component, std::vector<std::string> only = {}) {
  TestRequest out;
  out.file = fs::path(kBuildDir) / "tests/wrong_libraries/libwrong_library_misbehaving.so";
  out.components = {"regularizer/" + component};
  out.only = std::move(only);
  return out;
}

// "id: outcome" of each check.
std::vector<std::string> outcomes(const PluginTest& test) {
  std::vector<std::string> out;
  for (const TestedCheck& check : test.checks) {
    out.push_back(cat(check.id, ": ", saffron::testing::name_of(check.verdict.outcome)));
  }
  return out;
}

const TestedCheck& check_of(const PluginTest& test, const std::string& id) {
  const auto found = std::find_if(test.checks.begin(), test.checks.end(),
                                  [&](const TestedCheck& check) { return check.id == id; });
  if (found == test.checks.end()) throw Error("no check " + id);
  return *found;
}

class LeftBehind : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Processes, LeftBehind,
                         ::testing::Values("leaves_a_process", "leaves_a_writer"),
                         [](const auto& given) { return std::string(given.param); });

// Processes of a session of their own, also ones that write to the check's pipe for ever.
TEST_P(LeftBehind, IsEnded) {
  const test::TemporaryFolder folder;
  ::setenv("SAFFRON_TEST_LEFT_BEHIND", folder.path().c_str(), 1);
  const PluginTest test = test_plugin(request(GetParam(), {"scalar-and-finite"}));
  ::unsetenv("SAFFRON_TEST_LEFT_BEHIND");
  ASSERT_THAT(outcomes(test), ElementsAre("scalar-and-finite: passed"));
  EXPECT_LT(test.checks[0].seconds, 30);
  std::size_t left = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    const pid_t id = std::stoi(entry.path().filename().string());
    EXPECT_TRUE(::kill(id, 0) == -1 && errno == ESRCH) << id << " is still there";
    ++left;
  }
  EXPECT_GT(left, 0U);
}

TEST(Misbehaving, TakingMemoryForEver) {
  TestRequest greedy = request("takes_memory", {"scalar-and-finite"});
  greedy.limits.memory = std::uint64_t{1} << 29;
  const PluginTest test = test_plugin(greedy);
  ASSERT_THAT(outcomes(test), ElementsAre("can-be-used: crashed", "scalar-and-finite: skipped"));
  EXPECT_EQ(test.checks[0].verdict.message,
            "took more than 0.5 GiB of memory (--memory GIB allows more)");
  EXPECT_LE(usual_memory(), std::uint64_t{4} << 30);
  EXPECT_GT(usual_memory(), 0U);
}

// One check alone does not hide that there is no component to run it on.
TEST(Misbehaving, DyingIsToldOfWhateverIsAskedFor) {
  PluginTest test = test_plugin(request("cannot_begin", {"unknown-key-rejected"}));
  EXPECT_THAT(outcomes(test),
              ElementsAre("defaults-valid: crashed", "unknown-key-rejected: skipped"));
  EXPECT_EQ(test.checks.back().verdict.message, "not after defaults-valid");
  test = test_plugin(request("cannot_end", {"scale-degree"}));
  EXPECT_THAT(outcomes(test), ElementsAre("destroy-without-use: crashed", "scale-degree: skipped"));
  test = test_plugin(request("will_not_begin", {"scale-degree"}));
  EXPECT_THAT(outcomes(test), ElementsAre("defaults-valid: failed", "scale-degree: skipped"));
  EXPECT_FALSE(test.passed());
}

TEST(Misbehaving, ALibraryThatDoesNotLoadIsToldOfWhateverIsAskedFor) {
  TestRequest unloadable;
  unloadable.file = fs::path(kBuildDir) / "tests/plugins/libfixture_crash_on_load.so";
  unloadable.only = {"docs-complete"};
  const PluginTest test = test_plugin(unloadable);
  EXPECT_THAT(outcomes(test), ElementsAre("load-now-local: crashed", "docs-complete: skipped"));
}

TEST(Misbehaving, RefusingEverythingIsNoPass) {
  const PluginTest test = test_plugin(request("refuses"));
  EXPECT_FALSE(test.passed());
  EXPECT_EQ(test.count(Outcome::failed), 1U);
  const TestedCheck& check = check_of(test, "kind-tried");
  EXPECT_EQ(check.verdict.outcome, Outcome::failed);
  EXPECT_EQ(check.subject, "regularizer/refuses");
  EXPECT_THAT(check.verdict.message, HasSubstr("none of 11 checks of its kind could run: takes no "
                                               "step of one to 4 toy SAEs: never in the mood"));
  EXPECT_THAT(check.verdict.message, HasSubstr("\nunder [off], test-plugin.toml (.off of "));
  EXPECT_THAT(outcomes(test_plugin(request("refuses", {"kind-tried"}))),
              ElementsAre("kind-tried: failed"));
}

TEST(Misbehaving, ReadingTheClockIsNotReproducible) {
  const PluginTest test = test_plugin(request("reads_the_clock", {"deterministic-same-seed"}));
  EXPECT_THAT(outcomes(test), ElementsAre("deterministic-same-seed: failed"));
}

TEST(Misbehaving, RefusingEverythingMayBeExcused) {
  TestRequest excused = request("refuses");
  excused.settings.off = {{"regularizer/refuses kind-tried", "moody"}};
  const PluginTest test = test_plugin(excused);
  EXPECT_TRUE(test.passed());
  EXPECT_EQ(check_of(test, "kind-tried").verdict.message, "switched off: moody");
  TestRequest lax = request("refuses");
  lax.settings.strictness = 4;
  EXPECT_TRUE(test_plugin(lax).passed());
}

// One fault is told of once.
TEST(Misbehaving, WhatCannotBeMadeIsNotUntriedToo) {
  const PluginTest test = test_plugin(request("will_not_begin"));
  EXPECT_EQ(test.count(Outcome::failed), 1U);
  EXPECT_EQ(check_of(test, "kind-tried").verdict.outcome, Outcome::skipped);
}

TEST(Misbehaving, LackingOptionsIsNoPass) {
  TestRequest lacking;
  lacking.file = fs::path(kBuildDir) / "lib/saffron/plugins/libtext.so";
  const PluginTest test = test_plugin(lacking);
  EXPECT_FALSE(test.passed());
  EXPECT_THAT(check_of(test, "kind-tried").verdict.message, HasSubstr("a value for 'files'"));
  EXPECT_THAT(check_of(test, "kind-tried").verdict.message, HasSubstr("\nunder [options], "));
}

// Reports are text for a terminal and JSON for programs whatever a plugin prints.
TEST(Misbehaving, GarbageStaysOutOfReports) {
  for (const char* component : {"prints_garbage", "throws_garbage", "dies_of_garbage"}) {
    SCOPED_TRACE(component);
    const PluginTest test = test_plugin(request(component, {"scalar-and-finite", "silent-stdout"}));
    const std::string text = text_of(test, false);
    for (const char* order : {"\x1b", "\x07", "\r"}) EXPECT_THAT(text, Not(HasSubstr(order)));
    EXPECT_NO_THROW(static_cast<void>(from_json(to_json(to_value(test, false)), "report")));
  }
}

TEST(Misbehaving, PrintingForEver) {
  const PluginTest test =
      test_plugin(request("prints_for_ever", {"scalar-and-finite", "silent-stdout"}));
  EXPECT_EQ(check_of(test, "scalar-and-finite").verdict.message, "");
  EXPECT_THAT(check_of(test, "silent-stdout").verdict.message,
              HasSubstr(cat("printed '", std::string(200, 'x'), "'")));
}

TEST(Misbehaving, ClosingWhatIsNotItsOwn) {
  const PluginTest test = test_plugin(request("closes_everything", {"scalar-and-finite"}));
  ASSERT_THAT(outcomes(test), ElementsAre("can-be-used: crashed", "scalar-and-finite: skipped"));
  EXPECT_EQ(test.checks[0].verdict.message,
            "its answer could not be sent: the plugin closed descriptors that are not its own");
}

// Each would take its whole time.
TEST(Misbehaving, HangingIsAskedOnce) {
  TestRequest hanging = request("hangs");
  hanging.limits.timeout = std::chrono::seconds(1);
  const PluginTest test = test_plugin(hanging);
  EXPECT_EQ(test.count(Outcome::crashed), 1U);
  EXPECT_EQ(test.count(Outcome::failed), 0U);
  EXPECT_EQ(check_of(test, "can-be-used").verdict.outcome, Outcome::crashed);
  EXPECT_EQ(check_of(test, "no-thread-left").verdict.message, "not after can-be-used");
  EXPECT_EQ(check_of(test, "kind-tried").verdict.message, "see can-be-used");
}

TEST(Misbehaving, HangingNowAndThenIsAskedThreeTimes) {
  TestRequest hanging = request("hangs_later");
  hanging.limits.timeout = std::chrono::seconds(1);
  const PluginTest test = test_plugin(hanging);
  EXPECT_EQ(test.count(Outcome::crashed), 3U);
  EXPECT_EQ(test.count(Outcome::failed), 0U);
  EXPECT_EQ(check_of(test, "no-thread-left").verdict.message,
            "not after 3 checks that gave no answer in time");
}

// One fault is told of once, whatever a use does.
TEST(Misbehaving, CrashingAndThrowingInEveryUse) {
  for (const char* component : {"crashes", "throws_number", "dies_of_garbage"}) {
    SCOPED_TRACE(component);
    const PluginTest test = test_plugin(request(component));
    EXPECT_EQ(test.count(Outcome::crashed) + test.count(Outcome::failed), 1U);
    EXPECT_NE(check_of(test, "can-be-used").verdict.outcome, Outcome::passed);
    EXPECT_NE(check_of(test, "kind-tried").verdict.outcome, Outcome::failed);
  }
}

TEST(Misbehaving, ProcessesLeftAreCounted) {
  const PluginTest test =
      test_plugin(request("leaves_a_process", {"scalar-and-finite", "no-process-left"}));
  EXPECT_THAT(check_of(test, "no-process-left").verdict.message, HasSubstr("left "));
  EXPECT_FALSE(test.passed());
}

// What a check that died said stands on the message's own line.
TEST(Misbehaving, LastWords) {
  const PluginTest test = test_plugin(request("cannot_begin", {"defaults-valid"}));
  EXPECT_EQ(test.checks.at(0).verdict.message, "crashed with SIGABRT: at the end of my tether");
}

}  // namespace
}  // namespace saffron::host
