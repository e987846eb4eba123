#include "framework/loader/inspect.h"

#include "framework/loader/load.h"
#include "tests/framework/loader/support.h"
#include "tests/temporary_folder.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>

namespace saffron::host {
namespace {

using std::chrono::seconds;
using testing::child_program;
using testing::error_of;
using testing::fixture;
using ::testing::HasSubstr;
using testing::scan_of;
using ::testing::StartsWith;

Value inspect(const std::string& file, const std::string& name,
              const ChildOptions& options = child_program(), const Value& config = Value::table()) {
  const Catalog catalog(scan_of({fixture(file)}));
  return inspect_component(catalog.find("regularizer", name), options, config);
}

std::string construct(const Value& description, const char* key) {
  return description.at("construct").at(key).as_string();
}

TEST(Inspect, DescribesWithoutLoadingHere) {
  const std::size_t before = loaded_count();
  const Value description = inspect("good", "hoyer");
  EXPECT_EQ(loaded_count(), before);
  EXPECT_EQ(description.at("plugin").as_string(), "org.example.good");
  EXPECT_EQ(description.at("params").as_list().size(), 6u);
  EXPECT_EQ(construct(description, "outcome"), "passed");
}

TEST(Inspect, CreatesFromAGivenConfiguration) {
  Value config = Value::table();
  config.set("word", Value("hi"));
  const Value without = inspect("good", "talkative");
  EXPECT_EQ(construct(without, "outcome"), "skipped");
  EXPECT_THAT(construct(without, "message"), StartsWith("not tried: word: missing"));
  EXPECT_EQ(construct(inspect("good", "talkative", child_program(), config), "outcome"), "passed");
}

TEST(Inspect, CrashInCreateIsAResult) {
  const Value description = inspect("failing", "crash");
  EXPECT_EQ(description.at("summary").as_string(), "fails");
  EXPECT_EQ(construct(description, "outcome"), "crashed");
  EXPECT_EQ(construct(description, "message"),
            "crashed with SIGSEGV when it was created; it printed: about to crash");
  EXPECT_EQ(construct(inspect("failing", "abort"), "message"),
            "crashed with SIGABRT when it was created");
}

TEST(Inspect, HangInCreateIsAResult) {
  const Value description = inspect("failing", "hang", child_program(seconds(10)));
  EXPECT_EQ(construct(description, "outcome"), "timed_out");
  EXPECT_THAT(construct(description, "message"), StartsWith("gave no answer within 10"));
}

TEST(Inspect, EndingTheProcessIsAResult) {
  const Value description = inspect("failing", "exit_0");
  EXPECT_EQ(construct(description, "outcome"), "crashed");
  EXPECT_EQ(construct(description, "message"),
            "ended the process itself, with code 0, when it was created");
}

TEST(Inspect, LeavesNoProcessBehind) {
  const test::TemporaryFolder folder;
  ::setenv("SAFFRON_TEST_LEFT_BEHIND", folder.path().c_str(), 1);
  const Value description = inspect("failing", "leaves_a_process");
  ::unsetenv("SAFFRON_TEST_LEFT_BEHIND");
  EXPECT_EQ(construct(description, "outcome"), "passed");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    const pid_t id = std::stoi(entry.path().filename().string());
    EXPECT_TRUE(::kill(id, 0) == -1 && errno == ESRCH) << id << " is still there";
  }
}

TEST(Inspect, ExceptionInCreateIsAResult) {
  const Value description = inspect("failing", "c10_error");
  EXPECT_EQ(construct(description, "outcome"), "failed");
  EXPECT_EQ(construct(description, "message"),
            "regularizer c10_error: threw c10::Error: expected 2 dimensions, got 3");
}

TEST(Inspect, WhatAPluginPrintsIsNoAnswer) {
  EXPECT_EQ(construct(inspect("failing", "chatter"), "outcome"), "passed");
}

TEST(Inspect, CrashWhileLoading) {
  const Error error = error_of([] { return inspect("crash_on_load", "idle"); });
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_EQ(error.message(),
            "plugin 'org.example.crash_on_load' crashed with SIGABRT while it was loaded");
  EXPECT_EQ(error.where(), fixture("crash_on_load").string());
  EXPECT_THAT(error.help(), HasSubstr("thrown while the library was loaded"));
}

TEST(Inspect, RefusalsComeBackAsTheyAre) {
  const Error error = error_of(
      [] { return inspect_plugin(read_plugin_file(fixture("wrong_magic")), child_program()); });
  EXPECT_EQ(error.kind(), ErrorKind::plugin);
  EXPECT_THAT(error.message(), HasSubstr("its magic number is 0xdeadbeef"));
  const Error torch = error_of(
      [] { return inspect_plugin(read_plugin_file(fixture("other_torch")), child_program()); });
  EXPECT_THAT(torch.help(), HasSubstr("rebuild it"));
}

TEST(Inspect, LoadedListingHasSummariesAndProblems) {
  const Catalog catalog(
      scan_of({fixture("good"), fixture("crash_on_load"), fixture("other_torch")}));
  const Value listing = describe_loaded(catalog, child_program());
  const auto& plugins = listing.at("plugins").as_list();
  ASSERT_EQ(plugins.size(), 3u);
  EXPECT_EQ(plugins[0].at("components").as_list()[0].at("summary").as_string(),
            "Hoyer sparsity of the codes");
  EXPECT_THAT(plugins[1].at("problem").as_string(), HasSubstr("crashed with SIGABRT"));
  EXPECT_THAT(plugins[2].at("problem").as_string(), HasSubstr("a different LibTorch"));
}

TEST(Inspect, APluginThatFollowsACrashIsAsked) {
  const Catalog catalog(scan_of(
      {fixture("crash_on_load"), fixture("good"), fixture("wrong_magic"), fixture("twin")}));
  const Value listing = describe_loaded(catalog, child_program());
  const auto& plugins = listing.at("plugins").as_list();
  ASSERT_EQ(plugins.size(), 4u);
  EXPECT_THAT(plugins[0].at("problem").as_string(), HasSubstr("crash_on_load' crashed"));
  EXPECT_EQ(plugins[1].find("problem"), nullptr);
  EXPECT_EQ(plugins[1].at("components").as_list()[0].at("params").as_list().size(), 6u);
  EXPECT_THAT(plugins[2].at("problem").as_string(), HasSubstr("its magic number"));
  EXPECT_EQ(plugins[3].at("components").as_list()[0].at("summary").as_string(),
            "Another of the same name");
}

TEST(Inspect, TheHiddenCommandIsNotForPeople) {
  EXPECT_EQ(inspect_child({}), 2);
  EXPECT_EQ(inspect_child({"component", "file"}), 2);
  EXPECT_EQ(inspect_child({"everything"}), 2);
}

}  // namespace
}  // namespace saffron::host
